import pytest
from playwright.sync_api import Page, expect

from api_stub.dashboard import video_page
from db import videos
from db.engine import Database
from tests.browser.served import Served, take_in
from tests.conftest import wait_until
from tests.media import make_clip

pytestmark = [pytest.mark.browser, pytest.mark.media]


def open_flagged(page: Page, served: Served) -> None:
    page.goto(f"/videos/{served.flagged.video_id}")


def play_until(page: Page, seconds: float) -> None:
    page.evaluate("film.muted = true; film.play().catch(() => {}); null")
    wait_until(lambda: page.evaluate("film.currentTime") > seconds)


def wait_for_seek(page: Page, seconds: float) -> None:
    wait_until(lambda: page.evaluate("!film.seeking && film.currentTime") == pytest.approx(seconds, abs=0.1))


def title(page: Page) -> str:
    return page.locator("h1").inner_text()


def test_without_scripts_the_film_plays_from_its_file(plain_page: Page, served: Served):
    open_flagged(plain_page, served)
    play_until(plain_page, 0.3)
    assert plain_page.evaluate("film.currentSrc").endswith(f"/media/videos/{served.flagged.video_id}/mp4")


def test_the_file_is_h264_and_aac_that_the_browser_decodes(plain_page: Page, served: Served):
    open_flagged(plain_page, served)
    play_until(plain_page, 0.3)
    assert plain_page.evaluate("[film.videoWidth, film.videoHeight, film.webkitAudioDecodedByteCount > 0]") == [854, 480, True]


def test_the_ladder_plays_with_scripts(page: Page, served: Served):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_flagged(page, served)
    page.wait_for_selector("#film[data-plays=ladder]")
    play_until(page, 0.5)
    assert page.evaluate("film.currentSrc").startswith("blob:")
    assert page.evaluate("film.buffered.length && film.buffered.end(0)") > 0
    assert any(url.endswith(".m4s") for url in asked)
    assert any(url.endswith("/hls.worker.js") for url in asked)


def test_a_ladder_that_is_gone_leaves_the_file_to_play(signed_in, served: Served):
    page = signed_in.new_page()
    page.route("**/ladder/master.m3u8", lambda route: route.fulfill(status=404))
    open_flagged(page, served)
    page.wait_for_selector("#film[data-plays=file]")
    play_until(page, 0.3)
    assert page.evaluate("film.currentSrc").endswith("/mp4")
    page.close()


def test_captions_are_shown_while_the_ladder_plays(page: Page, served: Served):
    open_flagged(page, served)
    page.wait_for_selector("#film[data-plays=ladder]")
    play_until(page, 0.2)
    assert page.evaluate("[film.textTracks.length, film.textTracks[0].mode]") == [1, "showing"]
    wait_until(lambda: page.evaluate("film.textTracks[0].cues.length") >= 3)
    assert "password" in page.evaluate("[...film.textTracks[0].cues].map((cue) => cue.text).join(' ')").lower()


def test_a_click_on_a_finding_seeks(page: Page, served: Served):
    open_flagged(page, served)
    place = page.locator(".findings a").last
    seconds = float(place.get_attribute("data-seek"))
    place.click()
    wait_for_seek(page, seconds)


def test_a_marker_on_the_line_of_time_seeks_from_the_keyboard(page: Page, served: Served):
    open_flagged(page, served)
    marker = page.locator(".marker").last
    seconds = float(marker.get_attribute("data-seek"))
    marker.focus()
    page.keyboard.press("Enter")
    wait_for_seek(page, seconds)
    assert page.url.endswith(f"/videos/{served.flagged.video_id}")


def test_markers_stand_where_their_finding_begins(page: Page, served: Served):
    open_flagged(page, served)
    line, marker = page.locator(".findings-line").bounding_box(), page.locator(".marker .target").last.bounding_box()
    share = (marker["x"] + marker["width"] / 2 - line["x"]) / line["width"]
    seconds = float(page.locator(".marker").last.get_attribute("data-seek"))
    assert share == pytest.approx(seconds / 12, abs=0.01)


def test_the_transcript_follows_what_is_said(page: Page, served: Served):
    open_flagged(page, served)
    line = page.locator("#transcript li", has_text="password")
    line.locator("a").click()
    expect(line).to_have_attribute("aria-current", "true")
    assert page.locator("#transcript [aria-current]").count() == 1


def test_without_scripts_everything_is_there_and_places_are_links_into_the_file(plain_page: Page, served: Served):
    open_flagged(plain_page, served)
    text = plain_page.locator("main").inner_text()
    for words in ("flagged", "A password, code or key is told", "company secret", "Health of a person", "transcode", "Files"):
        assert words in text
    place = plain_page.locator(".findings a").first
    assert place.get_attribute("href") == (f"/media/videos/{served.flagged.video_id}/mp4#t={place.get_attribute('data-seek')}")


def test_a_clear_check_says_what_it_covered(plain_page: Page, served: Served):
    plain_page.goto(f"/videos/{served.silent.video_id}")
    told = plain_page.get_by_label("Result of the check").inner_text()
    assert "✓ clear" in told
    assert "Checked all 2.0 s (no sound)" in told
    assert plain_page.locator(".findings-line").count() == 0


def test_a_refused_file_says_why_and_what_to_do(plain_page: Page, served: Served):
    plain_page.goto(f"/videos/{served.refused.video_id}")
    notice = plain_page.locator(".notice.bad").inner_text()
    assert "This file is not a video" in notice
    assert "upload the new file" in notice
    assert plain_page.get_by_role("button", name="Run again").count() == 0


@pytest.fixture
def gap(served: Served):
    """The last check of the silent film claims a stretch that was not understood."""
    statement = "UPDATE confidentiality_checks SET overall_status = %s, segments = %s::jsonb WHERE video_id = %s"
    segment = (
        '[{"startTime": "00:00:00", "endTime": "00:00:01", "startSeconds": 0.5, "endSeconds": 1.5, "category": "other",'
        ' "severity": "high", "reason": "Speech that was not understood", "confidence": 1, "rule": "not_understood"}]'
    )

    def write(*values: object) -> None:
        with served.worker.database.tenant("local-owner") as session:
            session.connection().exec_driver_sql(statement, (*values, served.silent.video_id))

    write("flagged", segment)
    yield
    write("clear", "[]")


@pytest.mark.usefixtures("gap")
def test_stretches_that_were_not_checked_are_on_the_line_and_in_words(page: Page, served: Served):
    page.goto(f"/videos/{served.silent.video_id}")
    band, line = page.locator("a .unchecked").bounding_box(), page.locator(".findings-line").bounding_box()
    assert band["width"] / line["width"] == pytest.approx(0.5, abs=0.01)
    assert "was not checked: Speech that was not understood" in page.locator("#beside").inner_text()
    assert "Checked 50 % of 2.0 s" in page.locator("#beside").inner_text()


def test_the_page_turns_to_the_player_when_the_ingest_ends(page: Page, served: Served, tmp_path):
    started = take_in(served.worker, make_clip(tmp_path / "soon.mp4", seconds=1, audio=None))
    page.goto(f"/videos/{started.video_id}")
    expect(page.locator("main")).to_contain_text("The player appears here by itself")
    assert page.locator("#film").count() == 0
    served.finish(started.job_id)
    page.wait_for_selector("#film[data-plays=ladder]")
    assert "ready to edit" in title(page)
    assert page.evaluate("document.getElementById('main').dataset.events") is None


def test_a_page_that_is_drawn_just_as_the_ingest_ends_has_the_film_or_goes_on_looking(
    plain_page: Page, served: Served, tmp_path, monkeypatch
):
    started = take_in(served.worker, make_clip(tmp_path / "just.mp4", seconds=1, audio=None))

    def then_it_ends(read):
        def reads(*given):
            seen = read(*given)
            served.finish(started.job_id)
            return seen

        return reads

    for name in ("read_job", "_read"):  # whichever is first
        monkeypatch.setattr(video_page, name, then_it_ends(getattr(video_page, name)))
    plain_page.goto(f"/videos/{started.video_id}")
    goes_on = plain_page.locator("#main[data-events]").count()
    assert plain_page.locator("#film").count() or goes_on
    assert goes_on or "ready to edit" in title(plain_page)


def test_a_redraw_leaves_a_playing_film_alone(page: Page, served: Served, database_of_all: Database):
    open_flagged(page, served)
    page.wait_for_selector("#film[data-plays=ladder]")
    play_until(page, 0.2)
    page.evaluate("film.mark = 'the same'; main.dataset.seconds = '0.1'; document.dispatchEvent(new Event('visibilitychange'))")
    with database_of_all.tenant("local-owner") as session:
        videos.update_video(session, served.flagged.video_id, title="Another title")
    expect(page.locator("h1")).to_contain_text("Another title")
    assert page.evaluate("film.mark") == "the same"
    assert page.evaluate("film.paused") is False


def sample(served: Served) -> int:
    source = videos.Source("sample", "talk.mp4", "talk.mp4", size_bytes=1)
    with served.worker.database.tenant("local-owner") as session:
        return videos.insert_request(session, source, user_id="local-owner")[0]


def test_the_sample_is_removed_by_one_button(page: Page, served: Served):
    video_id = sample(served)
    page.goto(f"/videos/{video_id}")
    assert "This is the bundled sample." in page.locator("main").inner_text()
    page.get_by_role("button", name="Remove it").click()
    page.wait_for_url(f"{served.url}/")
    assert page.locator(f"#video-{video_id}").count() == 0


def test_a_video_is_deleted_after_a_second_look_without_scripts(plain_page: Page, served: Served, tmp_path):
    started = take_in(served.worker, make_clip(tmp_path / "unwanted.mp4", seconds=1, audio=None))
    plain_page.goto(f"/videos/{started.video_id}")
    plain_page.locator("summary", has_text="Delete this video").click()
    plain_page.get_by_role("button", name="Delete “unwanted”").click()
    plain_page.wait_for_url(f"{served.url}/")
    answer = plain_page.goto(f"/videos/{started.video_id}")
    assert answer.status == 404

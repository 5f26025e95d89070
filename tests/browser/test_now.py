import pytest
from playwright.sync_api import Page, expect

from db.engine import Database
from pipelines.base import enqueue
from tests.browser.served import Served
from tests.media import make_clip

pytestmark = [pytest.mark.browser, pytest.mark.media]


def self_check(database: Database):
    with database.tenant("local-owner") as session:
        return enqueue(session, "self_check", {}, owner_id="local-owner")


def redraw_often(page: Page) -> None:
    page.evaluate("main.dataset.seconds = '0.1'; document.dispatchEvent(new Event('visibilitychange'))")


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "über uns.mp4", seconds=1, audio=None)


def test_the_upload_form_works_without_scripts(plain_page: Page, served: Served, clip):
    plain_page.goto("/")
    plain_page.set_input_files("#file", clip)
    plain_page.get_by_role("button", name="Upload").click()
    plain_page.wait_for_url("**/videos/*")
    expect(plain_page.locator("h1")).to_contain_text("über uns")


def test_an_upload_with_scripts_goes_in_pieces_to_its_videos_page(page: Page, served: Served, clip):
    sent = []
    page.on("request", lambda request: sent.append((request.method, request.url.removeprefix(served.url).split("/")[1])))
    page.goto("/")
    page.set_input_files("#file", clip)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/videos/*")
    expect(page.locator("h1")).to_contain_text("über uns")
    assert ("PATCH", "files") in sent


def test_an_upload_goes_on_where_a_lost_connection_stopped_it(signed_in, served: Served, tmp_path):
    big = tmp_path / "big.mp4"
    big.write_bytes(make_clip(tmp_path / "small.mp4", seconds=1, audio=None).read_bytes().ljust((8 << 20) + 1000, b"\0"))
    page = signed_in.new_page()
    offsets = []

    def lose_the_second(route):
        offsets.append(int(route.request.headers["upload-offset"]))
        (route.abort if len(offsets) == 2 else route.continue_)()

    page.route("**/files/*", lambda route: lose_the_second(route) if route.request.method == "PATCH" else route.continue_())
    page.goto("/")
    page.set_input_files("#file", big)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/videos/*")
    assert offsets == [0, 8 << 20, 8 << 20]
    page.close()


def test_a_file_that_is_refused_says_so_in_the_form(signed_in, served: Served, clip):
    page = signed_in.new_page()
    problem = '{"title": "Too large", "status": 413, "detail": "At most 1 GiB is taken."}'
    page.route("**/files", lambda route: route.fulfill(status=413, body=problem, content_type="application/problem+json"))
    page.goto("/")
    page.set_input_files("#file", clip)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("[data-upload-status]")).to_contain_text("At most 1 GiB is taken.")
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()
    page.close()


def test_a_new_job_appears_by_itself_and_a_chosen_file_stays_chosen(page: Page, served: Served, clip):
    page.goto("/")
    page.set_input_files("#file", clip)
    redraw_often(page)
    job_id = self_check(served.worker.database)
    page.wait_for_selector(f"#job-{job_id}")
    page.wait_for_selector(f"#live-{job_id} progress")
    assert page.evaluate("document.getElementById('file').files.length") == 1


def test_a_redraw_leaves_the_focus_where_it_is(page: Page, served: Served):
    page.goto("/")
    page.locator(".videos a").last.focus()
    redraw_often(page)
    page.wait_for_selector(f"#job-{self_check(served.worker.database)}")
    assert page.evaluate("document.activeElement.matches('.videos a')")


def test_work_that_waits_for_no_worker_is_the_first_thing_said(plain_page: Page, served: Served):
    self_check(served.worker.database)
    plain_page.goto("/")
    assert "Work waits and does not run: io" in plain_page.locator("#headline").inner_text()


def test_a_jobs_page_follows_it_to_its_end(page: Page, served: Served):
    job_id = self_check(served.worker.database)
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("h1")).to_contain_text("queued")
    served.finish(job_id)
    expect(page.locator("h1")).to_contain_text("succeeded")
    expect(page.get_by_role("list", name="Log")).to_contain_text("storage gave back what was written")
    assert page.locator(".lane .bar.succeeded").count() == 2


def test_a_page_says_when_the_server_does_not_answer_and_recovers(signed_in, served: Served):
    page = signed_in.new_page()
    page.goto("/")
    page.route(f"{served.url}/", lambda route: route.abort())
    redraw_often(page)
    expect(page.locator("#connection")).to_contain_text("Not connected")
    page.unroute(f"{served.url}/")
    expect(page.locator("#connection")).to_be_empty()
    page.close()


def test_a_page_that_asks_seldom_recovers_as_soon_as_any_other(signed_in, served: Served):
    page = signed_in.new_page()
    page.goto("/")
    page.route(f"{served.url}/", lambda route: route.abort())
    redraw_often(page)
    expect(page.locator("#connection")).to_contain_text("Not connected")
    page.evaluate("delete main.dataset.events; document.getElementById('connection').textContent = ''")
    redraw_often(page)
    page.evaluate("main.dataset.seconds = '30'")  # one more look is on its way, and fails
    expect(page.locator("#connection")).to_contain_text("Not connected")
    page.unroute(f"{served.url}/")
    expect(page.locator("#connection")).to_be_empty()
    page.close()


def test_a_job_is_cancelled_and_run_again_by_its_buttons_without_scripts(plain_page: Page, served: Served):
    job_id = self_check(served.worker.database)
    plain_page.goto(f"/jobs/{job_id}")
    plain_page.get_by_role("button", name="Cancel this job").click()
    expect(plain_page.locator("h1")).to_contain_text("cancelled")
    plain_page.get_by_role("button", name="Run again").click()
    expect(plain_page.locator("h1")).to_contain_text("queued")

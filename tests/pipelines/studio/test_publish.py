import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import Conflict, Refused
from core.settings import settings
from db import jobs, videos
from db.base.videos import Privacy
from db.videos import FileKind
from pipelines import publish
from testkit import Worker
from tests import media
from tests.pipelines.studio.films import check, make_film, ready_video, row_of


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PUBLISH_FOLDER", str(tmp_path / "published"))
    monkeypatch.setenv("PUBLISH_CHUNK_BYTES", str(256 << 10))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path)


def start(worker: Worker, owner: str, video_id: int, **wanted: Any) -> Any:
    with worker.database.tenant(owner) as session:
        return publish.start(session, video_id, user_id=owner, **wanted)


def run(worker: Worker, owner: str, video_id: int, **wanted: Any) -> dict[str, Any]:
    job_id = start(worker, owner, video_id, **wanted)
    worker.drain()
    job = worker.job(job_id)
    assert job["status"] == "succeeded", (job["error"], [(step["name"], step["error"]) for step in job["steps"]])
    return job


def manifests(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (tmp_path / "published").glob("*/manifest.json")]


@pytest.mark.media
def test_without_an_account_it_goes_to_the_outbox_and_is_private(worker, database, storage, owner, film, tmp_path):
    video_id = ready_video(database, storage, owner, film)
    run(worker, owner, video_id)
    row, [told] = row_of(database, owner, video_id), manifests(tmp_path)
    assert (row["status"], row["privacy_status"], told["privacy"]) == ("published", "private", "private")
    [stored] = (tmp_path / "published").glob("*/video.mp4")
    assert stored.read_bytes() == film.read_bytes()
    assert row["youtube_url"] == stored.as_uri()
    assert "00:00:00,200 --> 00:00:01,400" in next(stored.parent.glob("*.srt")).read_text()


@pytest.mark.media
def test_what_passed_its_check_is_shown_to_whom_a_person_asked(worker, database, storage, owner, film, tmp_path):
    video_id = ready_video(database, storage, owner, film)
    run(worker, owner, video_id, privacy=Privacy.PUBLIC)
    assert (row_of(database, owner, video_id)["privacy_status"], manifests(tmp_path)[0]["privacy"]) == ("public", "public")
    run(worker, owner, video_id)
    assert (row_of(database, owner, video_id)["privacy_status"], manifests(tmp_path)[0]["privacy"]) == ("private", "private")
    assert len(manifests(tmp_path)) == 1


def of_other_content(session: Any, video_id: int, sha256: str) -> None:
    check(session, video_id, "0" * 64, clear=True)


def of_no_known_content(session: Any, video_id: int, sha256: str) -> None:
    session.execute(text("UPDATE confidentiality_checks SET content_sha256 = NULL"))


def then_flagged(session: Any, video_id: int, sha256: str) -> None:
    check(session, video_id, sha256, clear=False)


def asked_for_again(session: Any, video_id: int, sha256: str) -> None:
    session.execute(text("INSERT INTO confidentiality_checks (video_id, status) VALUES (:id, 'running')"), {"id": video_id})


def of_a_film_nobody_can_tell(session: Any, video_id: int, sha256: str) -> None:
    session.execute(text("UPDATE video_files SET details = NULL WHERE kind = 'mp4'"))


@pytest.mark.media
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (of_other_content, "of another content"),
        (of_no_known_content, "of another content"),
        (then_flagged, "found one thing"),
        (asked_for_again, "has not ended yet"),
        (of_a_film_nobody_can_tell, "of another content"),
    ],
)
def test_without_a_passed_check_of_that_very_content_it_stays_private_and_says_so(
    worker, database, storage, owner, film, tmp_path, spoil, words
):
    video_id = ready_video(database, storage, owner, film)
    with database.tenant(owner) as session:
        spoil(session, video_id, hashlib.sha256(film.read_bytes()).hexdigest())
    run(worker, owner, video_id, privacy=Privacy.PUBLIC)
    row = row_of(database, owner, video_id)
    assert (row["status"], row["privacy_status"], manifests(tmp_path)[0]["privacy"]) == ("published", "private", "private")
    assert words in row["error_message"]


@pytest.mark.media
def test_what_was_never_checked_stays_unlisted_to_nobody(worker, database, storage, owner, film, tmp_path):
    video_id = ready_video(database, storage, owner, film, clear=None)
    run(worker, owner, video_id, privacy=Privacy.UNLISTED)
    assert manifests(tmp_path)[0]["privacy"] == "private"
    assert "was not checked" in row_of(database, owner, video_id)["error_message"]


@pytest.mark.media
def test_a_trimmed_video_uploads_what_is_left_with_captions_on_its_clock(worker, database, storage, owner, film, tmp_path):
    video_id = ready_video(database, storage, owner, film, trim_start_ms=1000, trim_end_ms=2500)
    run(worker, owner, video_id, privacy=Privacy.PUBLIC)
    [stored] = (tmp_path / "published").glob("*/video.mp4")
    assert (media.count_frames(stored), row_of(database, owner, video_id)["privacy_status"]) == (45, "public")
    captions = next(stored.parent.glob("*.srt")).read_text()
    assert "00:00:00,000 --> 00:00:00,400" in captions
    assert "00:00:00,500 --> 00:00:01,500" in captions


@pytest.mark.media
def test_a_clip_of_an_earlier_system_uploads_its_own_part_and_not_the_whole(worker, database, storage, owner, film, tmp_path):
    parent = ready_video(database, storage, owner, film)
    with database.tenant(owner) as session:
        clip = session.execute(
            text("""
            INSERT INTO videos (user_id, original_filename, storage_path, status, parent_video_id, start_sec, end_sec, duration_ms)
            VALUES (:owner, 'rye.mp4', '', 'ready_to_edit', :parent, 1, 3, 2000) RETURNING id"""),
            {"owner": owner, "parent": parent},
        ).scalar_one()
    run(worker, owner, clip, privacy=Privacy.PUBLIC)
    [stored] = (tmp_path / "published").glob("*/video.mp4")
    assert (media.count_frames(stored), row_of(database, owner, clip)["privacy_status"]) == (60, "public")


@pytest.mark.media
def test_the_part_is_cut_once(worker, database, storage, owner, film):
    video_id = ready_video(database, storage, owner, film, trim_start_ms=1000)
    run(worker, owner, video_id)
    with database.tenant(owner) as session:
        first = videos.list_files(session, video_id)[FileKind.EXPORT]["key"]
    run(worker, owner, video_id)
    with database.tenant(owner) as session:
        assert videos.list_files(session, video_id)[FileKind.EXPORT]["key"] == first


def test_two_people_who_publish_one_video_at_once_make_one_job(database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film")
    outcomes, ready = [], threading.Barrier(2)

    def ask() -> None:
        ready.wait()
        try:
            with database.tenant(owner) as session:
                outcomes.append(publish.start(session, video_id, user_id=owner))
        except Conflict as refusal:
            outcomes.append(str(refusal))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(outcome) for outcome in outcomes if isinstance(outcome, str)) == [str]
    with database.jobs() as session:
        assert session.scalar(text("SELECT count(*) FROM jobs.jobs WHERE pipeline = 'publish'")) == 1


def test_a_video_without_a_film_is_not_taken(database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film")
    with database.tenant(owner) as session:
        session.execute(text("DELETE FROM video_files WHERE kind = 'mp4'"))
    with database.tenant(owner) as session, pytest.raises(Refused, match="not ready to be published"):
        publish.start(session, video_id, user_id=owner)


def test_a_publish_that_is_cancelled_gives_the_video_back(worker, database, storage, owner):
    video_id = ready_video(database, storage, owner, b"film")
    job_id = start(worker, owner, video_id)
    assert row_of(database, owner, video_id)["status"] == "publishing"
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)
    assert row_of(database, owner, video_id)["status"] == "ready_to_edit"

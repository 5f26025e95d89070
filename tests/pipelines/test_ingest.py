import json
from pathlib import Path
from uuid import UUID

import pytest

from db import confidentiality, jobs, passages, videos
from db.engine import Database
from db.videos import INGESTED, FileKind
from pipelines import ingest
from testkit import Worker
from tests import media

SAMPLES = Path(__file__).parents[2] / "samples"


def start(worker: Worker, owner: str, path: Path, *, name: str | None = None) -> ingest.Started:
    key = f"uploads/{path.name.lower()}/source"
    with worker.storage.writer(key) as file:
        file.write(path.read_bytes())
    source = videos.Source("upload", key, name or path.name, size_bytes=path.stat().st_size)
    with worker.database.tenant(owner) as session:
        started = ingest.start(session, source, user_id=owner)
    assert started is not None
    return started


def video(worker: Worker, owner: str, video_id: int) -> dict:
    with worker.database.tenant(owner) as session:
        return dict(videos.get_video(session, video_id))


def request(worker: Worker, owner: str, request_id: int) -> dict:
    with worker.database.tenant(owner) as session:
        return dict(videos.get_request(session, request_id))


def ended(worker: Worker, job_id: UUID) -> str:
    return worker.job(job_id)["status"]


@pytest.mark.media
def test_a_talk_comes_out_ready_with_everything_an_editor_needs(worker: Worker, owner: str):
    started = start(worker, owner, SAMPLES / "clear.mp4")
    worker.drain()
    assert ended(worker, started.job_id) == "succeeded", worker.job(started.job_id)["error"]
    row = video(worker, owner, started.video_id)
    assert (row["status"], row["duration_ms"], row["error_message"]) == ("ready_to_edit", 12040, None)
    assert request(worker, owner, started.request_id)["status"] == "ready"
    truth = json.loads((SAMPLES / "clear.spoken.json").read_text())
    assert row["transcript"].split()[0].lower() == truth["sentences"][0]["written"].split()[0].lower()
    assert row["captions"][0]["startMs"] < row["captions"][0]["endMs"]
    with worker.database.tenant(owner) as session:
        files = videos.list_files(session, started.video_id)
        check = confidentiality.find_last_check(session, started.video_id)
    assert set(files) == INGESTED
    assert (row["confidentiality_status"], check["overall_status"], check["segments"]) == ("clear", "clear", [])
    assert (check["ran"]["screen"]["pictures"] > 1, check["ran"]["language_model"]) == (True, None)
    assert check["content_sha256"] == files[FileKind.SOURCE]["sha256"]
    with worker.database.tenant(owner) as session:
        [found] = passages.search_by_words(session, "sprinkling", passages.list_lexemes(session, "sprinkling"), most=9)
    assert "quick sprinkle" in found["text"]
    assert worker.storage.local(files[FileKind.CAPTIONS_VTT]["key"]).read_text().startswith("WEBVTT")
    assert worker.storage.local(files[FileKind.POSTER]["key"]).read_bytes().startswith(b"\xff\xd8")
    assert not list(worker.scratch.iterdir())


@pytest.mark.media
def test_a_film_without_sound_comes_out_ready_and_says_so(worker: Worker, owner: str, tmp_path: Path):
    started = start(worker, owner, media.make_clip(tmp_path / "silent.mp4", seconds=1, audio=None))
    worker.drain()
    assert ended(worker, started.job_id) == "succeeded", worker.job(started.job_id)["error"]
    assert "the video has no sound" in worker.log(started.job_id)
    row = video(worker, owner, started.video_id)
    assert (row["status"], row["transcript"], row["captions"]) == ("ready_to_edit", "", [])


def not_video(tmp_path: Path) -> Path:
    path = tmp_path / "notes.mp4"
    path.write_text("These are only notes.\n" * 100)
    return path


def playlist(tmp_path: Path) -> Path:
    path = tmp_path / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{SAMPLES / 'clear.mp4'}\n#EXT-X-ENDLIST\n")
    return path


def nothing(tmp_path: Path) -> Path:
    path = tmp_path / "empty.mp4"
    path.touch()
    return path


def cut(tmp_path: Path) -> Path:
    path = tmp_path / "cut.mp4"
    path.write_bytes((SAMPLES / "clear.mp4").read_bytes()[:100_000])
    return path


@pytest.mark.media
@pytest.mark.parametrize(
    ("make", "sentence"),
    [(not_video, "not a video"), (playlist, "points at other files"), (nothing, "empty"), (cut, "cut off")],
)
def test_bad_input_is_refused_with_a_sentence_and_without_a_retry(worker: Worker, owner: str, tmp_path: Path, make, sentence):
    started = start(worker, owner, make(tmp_path))
    worker.drain()
    job = worker.job(started.job_id)
    assert job["status"] == "failed"
    assert sentence in job["error"]
    assert all(step["attempt"] <= 1 for step in job["steps"])
    row = video(worker, owner, started.video_id)
    assert (row["status"], row["error_message"]) == ("failed", job["error"])
    assert request(worker, owner, started.request_id)["error_message"] == job["error"]


def test_a_name_that_misleads_is_refused_before_a_byte_is_read(worker: Worker, owner: str, tmp_path: Path):
    started = start(worker, owner, not_video(tmp_path), name="../../notes.mp4")
    worker.drain()
    assert "is a path" in worker.job(started.job_id)["error"]


def test_a_cancelled_ingest_shows_on_its_video_and_can_be_run_again(worker: Worker, owner: str, tmp_path: Path):
    started = start(worker, owner, not_video(tmp_path))
    with worker.database.jobs() as session:
        jobs.request_cancel(session, started.job_id)
    assert request(worker, owner, started.request_id)["status"] == "cancelled"
    assert video(worker, owner, started.video_id)["status"] == "failed"
    with worker.database.jobs() as session:
        jobs.retry(session, started.job_id)
    assert request(worker, owner, started.request_id)["status"] == "queued"
    assert video(worker, owner, started.video_id)["status"] == "uploading"


def test_a_video_that_cannot_follow_does_not_hold_its_job_back(worker: Worker, owner: str, tmp_path: Path):
    started = start(worker, owner, not_video(tmp_path))
    with worker.database.tenant(owner) as session:
        videos.delete_video(session, started.video_id)
    with worker.database.jobs() as session:
        jobs.request_cancel(session, started.job_id)
    assert ended(worker, started.job_id) == "cancelled"


def test_the_same_version_starts_one_ingest(database: Database, owner: str):
    source = videos.Source("folder", "a.mp4", "a.mp4", version="1-1")
    with database.tenant(owner) as session:
        assert ingest.start(session, source, user_id=owner) is not None
        assert ingest.start(session, source, user_id=owner) is None


def test_an_output_that_is_gone_is_not_called_ready(worker: Worker, owner: str, tmp_path: Path):
    started = start(worker, owner, media.make_clip(tmp_path / "silent.mp4", seconds=1, audio=None))
    while [step["name"] for step in worker.job(started.job_id)["steps"] if step["status"] == "queued"] != ["finish"]:
        worker.runner.run(worker.list_due()[0])
    with worker.database.tenant(owner) as session:
        key = videos.list_files(session, started.video_id)[FileKind.MP4]["key"]
    worker.storage.local(key).unlink()
    worker.drain()
    assert f"storage has no {key}" in worker.job(started.job_id)["error"]

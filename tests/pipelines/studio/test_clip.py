import hashlib
import json
import threading
from pathlib import Path

import pytest

from core.errors import Conflict
from db import confidentiality, videos
from db.base.videos import Privacy
from db.videos import FileKind, NewFile
from pipelines import clip, publish
from pipelines.providers import ffmpeg
from pipelines.transcript import Stretch, Transcript, Word
from tests import media
from tests.pipelines.studio.films import make_film, ready_video, row_of

SPOKEN = Transcript(
    (
        Word("Good", 0.2, 0.6, 1),
        Word("morning.", 0.6, 1.2, 1),
        Word("We", 1.4, 1.6, 1),
        Word("bake.", 1.6, 2.2, 1),
        Word("Bye.", 2.5, 2.9, 1),
    ),
    (Stretch(0.2, 1.2), Stretch(1.4, 2.9)),
    3.0,
    "en",
    "tests",
)


def with_transcript(database, storage, owner, video_id: int) -> None:
    written = json.dumps(SPOKEN.as_json()).encode()
    key = f"attempts/{'5' * 32}/transcript.json"
    with storage.writer(key) as file:
        file.write(written)
    with database.tenant(owner) as session:
        videos.keep_files(session, video_id, [NewFile(FileKind.TRANSCRIPT, key, len(written), "00")])


def cut(worker, owner: str, parent: int, start: int, end: int) -> int:
    with worker.database.tenant(owner) as session:
        row, job_id = clip.start(session, parent, user_id=owner, start_sec=start, end_sec=end, details={"title": "Rye"})
    assert row["status"] == "uploading"
    worker.drain()
    job = worker.job(job_id)
    assert job["status"] == "succeeded", (job["error"], [(step["name"], step["error"]) for step in job["steps"]])
    return int(row["id"])


@pytest.mark.media
def test_a_clip_is_cut_at_the_frame_with_what_is_said_in_it_and_is_checked_itself(worker, database, storage, owner, tmp_path):
    parent = ready_video(database, storage, owner, make_film(tmp_path), clear=False)
    with_transcript(database, storage, owner, parent)
    clip_id = cut(worker, owner, parent, 1, 3)
    row = row_of(database, owner, clip_id)
    with database.tenant(owner) as session:
        files, check = videos.list_files(session, clip_id), confidentiality.find_last_check(session, clip_id)
    film = storage.local(files[FileKind.MP4]["key"])
    assert (row["status"], row["duration_ms"], media.count_frames(film)) == ("ready_to_edit", 2000, 60)
    assert row["transcript"] == "morning. We bake. Bye."
    assert [(cue["startMs"], cue["endMs"]) for cue in row["captions"]] == [(0, 400), (500, 1800)]
    assert (
        check["content_sha256"] == hashlib.sha256(film.read_bytes()).hexdigest() == files[FileKind.MP4]["details"]["of_sha256"]
    )
    assert check["overall_status"] == row["confidentiality_status"]
    assert set(files) == {"source", "mp4", "poster", "transcript", "captions_vtt", "captions_srt"}


@pytest.mark.media
def test_the_first_frame_of_a_cut_is_the_one_that_is_shown_then(tmp_path: Path):
    film = media.make_flash(tmp_path / "flash.mp4", options=("-movflags", "+faststart", "-pix_fmt", "yuv420p"))
    ffmpeg.make_cut(media.LocalRun(tmp_path), film, 900, 2000, tmp_path / "cut.mp4")
    flash, tone = media.flash_and_tone(tmp_path / "cut.mp4")
    assert flash == pytest.approx(0.1, abs=0.001)
    assert tone == pytest.approx(0.1, abs=0.025)


@pytest.mark.media
@pytest.mark.parametrize(("start", "end", "frames"), [(0, 1000, 30), (33, 67, 1), (1234, 2999, 53), (2900, 99_000, 3)])
def test_a_cut_has_exactly_the_frames_that_were_asked_for(tmp_path: Path, start: int, end: int, frames: int):
    film = make_film(tmp_path)
    made = ffmpeg.make_cut(media.LocalRun(tmp_path), film, start, end, tmp_path / "cut.mp4")
    assert (made.frames, media.count_frames(tmp_path / "cut.mp4")) == (frames, frames)


def test_two_clips_of_one_video_are_two(database, storage, owner):
    parent = ready_video(database, storage, owner, b"film")
    made, ready = [], threading.Barrier(2)

    def ask() -> None:
        ready.wait()
        with database.tenant(owner) as session:
            made.append(clip.start(session, parent, user_id=owner, start_sec=0, end_sec=2, details={}))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row["id"] for row, _ in made}) == len({job_id for _, job_id in made}) == 2


def test_a_video_without_a_film_has_no_clips(database, storage, owner):
    with database.tenant(owner) as session:
        made = videos.insert_request(session, videos.Source("upload", "k", "rye.mp4"), user_id=owner)
    assert made is not None
    with database.tenant(owner) as session, pytest.raises(Conflict):
        clip.start(session, made[0], user_id=owner, start_sec=0, end_sec=2, details={})


def test_a_clip_whose_film_is_damaged_fails_with_its_reason(worker, database, storage, owner):
    parent = ready_video(database, storage, owner, b"no film at all")
    with database.tenant(owner) as session:
        row, job_id = clip.start(session, parent, user_id=owner, start_sec=0, end_sec=2, details={})
    for _ in range(3):
        worker.drain()
        with database.jobs() as session:
            from sqlalchemy import text

            session.execute(text("UPDATE jobs.job_steps SET available_at = now() WHERE status = 'retrying'"))
    assert worker.job(job_id)["status"] == "failed"
    after = row_of(database, owner, row["id"])
    assert (after["status"], "cannot be read" in after["error_message"]) == ("failed", True)


@pytest.mark.media
def test_a_clear_clip_of_a_flagged_video_may_be_shown(worker, database, storage, owner, tmp_path, monkeypatch):
    from core.settings import settings

    monkeypatch.setenv("PUBLISH_FOLDER", str(tmp_path / "published"))
    settings.cache_clear()
    parent = ready_video(database, storage, owner, make_film(tmp_path, audio=None), clear=False)
    with_transcript(database, storage, owner, parent)
    clip_id = cut(worker, owner, parent, 1, 3)
    with database.tenant(owner) as session:
        publish.start(session, clip_id, user_id=owner, privacy=Privacy.PUBLIC)
    worker.drain()
    settings.cache_clear()
    row = row_of(database, owner, clip_id)
    assert (row["status"], row["privacy_status"], row["error_message"]) == ("published", "public", None)

import os
from pathlib import Path

import pytest

from db import videos
from db.engine import Database
from scheduler.watch import Watch, open_watch
from testkit import assert_enqueued


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "watched"
    made.mkdir()
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(database: Database, folder: Path, owner: str, clock: Clock) -> Watch:
    return Watch(database, folder, owner_id=owner, settle_seconds=2, clock=clock)


def tick(watch: Watch, clock: Clock, *, seconds: float) -> None:
    clock.now += seconds
    watch.tick()


def taken(database: Database, owner: str) -> list[str]:
    with database.tenant(owner) as session:
        return sorted(row["source_path"] for row in videos.list_requests(session))


def test_a_file_is_taken_once_it_stands_still(watch: Watch, clock: Clock, folder: Path, database: Database, owner: str):
    (folder / "a.mp4").write_bytes(b"1")
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=1)
    assert taken(database, owner) == []
    (folder / "a.mp4").write_bytes(b"12")  # it grows
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=1)
    assert taken(database, owner) == []
    tick(watch, clock, seconds=1)
    assert taken(database, owner) == ["a.mp4"]


def test_a_taken_file_starts_an_ingest_about_its_video(
    watch: Watch, clock: Clock, folder: Path, database: Database, owner: str
):
    (folder / "a.mp4").write_bytes(b"1")
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=3)
    with database.tenant(owner) as session:
        (video,) = videos.list_videos(session)
        assert_enqueued(session, "ingest", args={"video_id": video["id"]}, subject=videos.subject(video["id"]), count=1)
    assert video["original_filename"] == "a.mp4"


def test_a_version_is_taken_once_by_any_number_of_watches(
    watch: Watch, clock: Clock, folder: Path, database: Database, owner: str
):
    (folder / "a.mp4").write_bytes(b"1")
    restarted = Watch(database, folder, owner_id=owner, settle_seconds=2, clock=clock)
    for _ in range(5):
        tick(watch, clock, seconds=1)
        restarted.tick()
    assert taken(database, owner) == ["a.mp4"]


def test_a_new_version_is_taken_again(watch: Watch, clock: Clock, folder: Path, database: Database, owner: str):
    (folder / "a.mp4").write_bytes(b"1")
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=3)
    os.utime(folder / "a.mp4", (1, 1))
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=3)
    assert taken(database, owner) == ["a.mp4", "a.mp4"]


def test_a_name_that_is_no_text_is_taken_to_be_refused(
    watch: Watch, clock: Clock, folder: Path, database: Database, owner: str
):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")).write_bytes(b"1")
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=3)
    assert taken(database, owner) == ["\N{REPLACEMENT CHARACTER}.mp4"]


def test_a_folder_that_is_gone_does_not_stop_the_watch(
    watch: Watch, clock: Clock, folder: Path, database: Database, owner: str
):
    folder.rmdir()
    tick(watch, clock, seconds=1)
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"1")
    tick(watch, clock, seconds=1)
    tick(watch, clock, seconds=3)
    assert taken(database, owner) == ["a.mp4"]


def test_the_folder_is_made_and_belongs_to_the_local_owner(database: Database, tmp_path: Path, owner: str):
    watch = open_watch(database, tmp_path / "new" / "watched", owner_id="", settle_seconds=0)
    (tmp_path / "new" / "watched" / "a.mp4").write_bytes(b"1")
    watch.tick()
    watch.tick()
    assert taken(database, owner) == ["a.mp4"]

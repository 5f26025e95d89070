import pytest
from sqlalchemy import text

from core.errors import Invalid
from db import channels, clips, competitors, people
from db.base.competitors import Severity, SnapshotSource
from db.base.rows import insert_row
from db.base.videos import videos
from db.competitors import Change, Reading
from db.engine import Database
from db.leads import clients


@pytest.fixture
def client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        return clients.insert_client(session, {"name": "B", "address": "a", "keyword": "k"}, user_id=owner)["id"]


@pytest.fixture
def video(database: Database, owner: str) -> int:
    values = {"user_id": owner, "original_filename": "a.mp4", "storage_path": "k", "duration_ms": 60_000}
    with database.tenant(owner) as session:
        return insert_row(session, videos, values)["id"]


def reading(key: str, hash_: str, source: SnapshotSource = SnapshotSource.WEBSITE) -> Reading:
    return Reading(key, source, content_hash=hash_, extracted_data={"price": hash_})


def test_a_competitor_is_shown_by_its_newest_reading(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        for key, hash_ in (("url:a", "1"), ("url:b", "2"), ("url:a", "3")):
            competitors.insert_snapshot(session, client, reading(key, hash_), user_id=owner)
        assert [row["content_hash"] for row in competitors.list_competitors(session, client)] == ["3", "2"]


def test_changes_are_new_until_somebody_has_seen_them(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        before, after = (
            competitors.insert_snapshot(session, client, reading("url:a", hash_), user_id=owner)["id"] for hash_ in "12"
        )
        found = [Change("price", "bread", "1", "2", Severity.HIGH), Change("text")]
        kept = competitors.insert_changes(session, found, before_snapshot_id=before, after_snapshot_id=after, user_id=owner)
        seen = competitors.acknowledge(session, kept[0]["id"])
        assert competitors.acknowledge(session, kept[0]["id"])["acknowledged_at"] == seen["acknowledged_at"]
        assert [row["id"] for row in competitors.list_changes(session, client, only_new=True)] == [kept[1]["id"]]
        assert [row["id"] for row in competitors.list_changes(session, client)] == [kept[1]["id"], kept[0]["id"]]


def test_a_clip_is_cut_from_a_video_and_not_from_a_clip(database: Database, owner: str, video: int):
    with database.tenant(owner) as session:
        clip = clips.insert_clip(session, video, user_id=owner, start_sec=5, end_sec=20, details={"title": "Best"})
        assert (clip["duration_ms"], clip["status"], clip["storage_path"]) == (15_000, "uploading", "k")
        assert [row["id"] for row in clips.list_clips(session, video)] == [clip["id"]]
        for parent, start, end in ((video, 20, 5), (video, 60, 70), (video, -1, 5), (clip["id"], 0, 5)):
            with pytest.raises(Invalid):
                clips.insert_clip(session, parent, user_id=owner, start_sec=start, end_sec=end, details={})


def test_a_user_publishes_to_what_they_were_given_and_to_their_default_first(database: Database, owner: str):
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('bela')"))
    with database.tenant(owner) as session:
        one, _ = (channels.keep_channel(session, name, {"title": name})["id"] for name in ("UC1", "UC2"))
        assert channels.keep_channel(session, "UC1", {"title": "One"})["id"] == one
        assert channels.list_channels(session) == []
    with database.jobs() as session:
        people.set_channels(session, "bela", ["UC1", "UC2"])
        people.choose_channel(session, "bela", "UC2")
    with database.tenant("bela") as session:
        assert [(row["title"], row["is_default"]) for row in channels.list_channels(session)] == [("UC2", True), ("One", False)]
    with database.jobs() as session:
        people.remove_channel(session, "bela", "UC2")
    with database.tenant("bela") as session:
        assert [row["title"] for row in channels.list_channels(session)] == ["One"]

"""Publishing to the YouTube twin with Google's own client, under what the way and the service can do to it."""

import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from core.crypto import KeyRing
from core.settings import settings
from db import connections, jobs
from db.base.videos import Privacy
from db.jobs import Per
from pipelines import publish
from tests.pipelines.studio.films import ready_video, row_of
from twins.running import Twins

CHUNK = 256 << 10
FILM = random.Random(5).randbytes(5 * CHUNK + 1000)  # six pieces; the twin does not look into it
SHA256 = hashlib.sha256(FILM).hexdigest()
SCOPES = ["https://www.googleapis.com/auth/youtube.force-ssl", "https://www.googleapis.com/auth/youtube.upload"]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PUBLISH_FOLDER", str(tmp_path / "published"))
    monkeypatch.setenv("ASKSTEPHEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PUBLISH_CHUNK_BYTES", str(CHUNK))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def account(twins: Twins, database, owner) -> str:
    """The name of the owner's connected account."""
    name = f"{uuid4().hex}@example.com"
    twins.forget("youtube.quota")
    connect(twins, database, owner, name)
    return name


def connect(twins: Twins, database, owner: str, name: str) -> int:
    granted = twins.grant("google", name, SCOPES)
    with database.tenant(owner) as session:
        row = connections.insert_account(
            session,
            KeyRing.of(settings()),
            user_id=owner,
            platform="youtube",
            access_token=granted["access_token"],
            refresh_token=granted["refresh_token"],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        return int(row["id"])


@pytest.fixture
def video_id(database, storage, owner, account) -> int:
    return ready_video(database, storage, owner, FILM)


@pytest.fixture
def publish_it(worker, database, owner, video_id) -> Callable[..., dict[str, Any]]:
    def run(**wanted: Any) -> dict[str, Any]:
        with database.tenant(owner) as session:
            job_id = publish.start(session, video_id, user_id=owner, **wanted)
        return go_on(worker, database, job_id)

    return run


def go_on(worker, database, job_id: Any, *, rounds: int = 12) -> dict[str, Any]:
    """Run what is due, and what waits for a few seconds at most."""
    for _ in range(rounds):
        worker.drain()
        with database.jobs() as session:
            session.execute(
                text("""
                UPDATE jobs.job_steps SET available_at = now()
                WHERE status IN ('queued', 'retrying') AND available_at < now() + interval '2 minutes'""")
            )
            session.execute(
                text("DELETE FROM jobs.breakers WHERE open_until < now() + interval '2 minutes' OR open_until IS NULL")
            )
        if worker.job(job_id)["finished_at"]:
            break
    return worker.job(job_id)


def uploads_of(twins: Twins, account: str) -> list[dict[str, Any]]:
    return [kept for kept in twins.records("youtube.videos").values() if kept["account"] == account]


def succeeded(job: dict[str, Any]) -> bool:
    assert job["status"] == "succeeded", (job["error"], [(step["name"], step["error"]) for step in job["steps"]])
    return True


def test_it_is_uploaded_private_read_back_and_then_shown(twins, publish_it, account, database, owner, video_id):
    assert succeeded(publish_it(privacy=Privacy.PUBLIC))
    [kept] = uploads_of(twins, account)
    shown, row = kept["video"], row_of(database, owner, video_id)
    assert kept["sha256"] == SHA256
    assert (shown["status"]["privacyStatus"], shown["snippet"]["title"]) == ("public", "Rye bread")
    assert (row["status"], row["privacy_status"], row["youtube_id"]) == ("published", "public", shown["id"])
    assert row["youtube_url"] == f"https://www.youtube.com/watch?v={shown['id']}"
    assert row["youtube_channel_id"] == shown["snippet"]["channelId"]
    begun = [
        seen
        for seen in twins.seen("youtube")
        if seen["request"] == "POST /upload/youtube/v3/videos" or "POST /resumable" in seen["request"]
    ]
    assert "notifySubscribers=false" in begun[-1]["query"]
    [track] = [kept["text"] for key, kept in twins.records("youtube.captions").items() if key.startswith(shown["id"])]
    assert "00:00:00,200 --> 00:00:01,400" in track


def test_the_address_of_an_upload_is_nowhere_in_plain(twins, publish_it, account, database):
    twins.fault("youtube", "unavailable", times=3, match="PUT")
    assert succeeded(publish_it())
    with database.jobs() as session:
        kept = session.execute(text("SELECT checkpoint::text FROM jobs.job_steps WHERE checkpoint IS NOT NULL")).scalars().all()
        written = [
            *kept,
            *session.execute(text("SELECT coalesce(request::text, '') || response::text FROM jobs.effects")).scalars(),
        ]
    assert kept
    assert not any("upload_id" in words or "googleapis" in words for words in written)


@pytest.mark.parametrize("kind", ["unavailable", "server_error", "dropped", "half", "lost", "cut", "rate_limit"])
@pytest.mark.parametrize("times", [1, 4])
def test_a_break_on_the_way_costs_neither_bytes_nor_a_second_upload(twins, publish_it, account, kind, times):
    twins.fault("youtube", kind, times=times, match="PUT")
    assert succeeded(publish_it())
    assert [kept["sha256"] for kept in uploads_of(twins, account)] == [SHA256]


def test_the_lost_answer_to_the_last_byte_is_asked_for_and_not_sent_again(twins, publish_it, account):
    twins.fault("youtube", "slow", times=5, seconds=0, match="PUT")  # the five pieces before the last
    twins.fault("youtube", "lost", times=4, match="PUT")
    assert succeeded(publish_it())
    assert [kept["sha256"] for kept in uploads_of(twins, account)] == [SHA256]


def test_a_session_that_is_lost_in_the_middle_begins_anew_where_no_video_came_of_it(twins, publish_it, account):
    twins.fault("youtube", "slow", times=2, seconds=0, match="PUT")
    twins.fault("youtube", "lost_session", match="PUT")
    assert succeeded(publish_it())
    assert [kept["sha256"] for kept in uploads_of(twins, account)] == [SHA256]


def test_a_session_that_is_lost_after_the_last_byte_finds_its_video_by_the_marker(twins, publish_it, account):
    twins.fault("youtube", "slow", times=5, seconds=0, match="PUT")
    twins.fault("youtube", "lost", times=1, match="PUT")
    twins.fault("youtube", "lost_session", times=9, match="PUT")
    assert succeeded(publish_it())
    twins.clear_faults()
    assert [kept["sha256"] for kept in uploads_of(twins, account)] == [SHA256]


def test_published_again_it_is_not_uploaded_again(twins, publish_it, account, database, owner, video_id):
    publish_it(privacy=Privacy.UNLISTED)
    publish_it(privacy=Privacy.PRIVATE)
    [kept] = uploads_of(twins, account)
    assert (kept["video"]["status"]["privacyStatus"], row_of(database, owner, video_id)["privacy_status"]) == (
        "private",
        "private",
    )


def test_without_the_ledger_the_marker_still_tells(twins, publish_it, account, database):
    publish_it()
    with database.jobs() as session:
        session.execute(text("DELETE FROM jobs.effects"))
    assert succeeded(publish_it())
    assert len(uploads_of(twins, account)) == 1


def test_what_was_taken_away_there_is_uploaded_anew_when_it_is_asked_for(twins, publish_it, account, database, owner, video_id):
    publish_it()
    [kept] = uploads_of(twins, account)
    twins.forget("youtube.videos")
    assert "Publish it again" in publish_it()["error"]
    assert succeeded(publish_it())
    [again] = uploads_of(twins, account)
    assert again["video"]["id"] == row_of(database, owner, video_id)["youtube_id"] != kept["video"]["id"]


def test_our_own_budget_of_the_day_is_waited_for_with_its_reason(twins, publish_it, account, database):
    with database.jobs() as session:
        jobs.set_budget(session, "youtube.insert", Per.DAY, 0, zone="America/Los_Angeles")
    job = publish_it()
    [step] = [step for step in job["steps"] if step["name"] == "upload"]
    assert (job["finished_at"], step["attempt"], uploads_of(twins, account)) == (None, 0, [])
    assert "youtube.insert" in step["error"]
    with database.jobs() as session:
        due = session.execute(text("SELECT available_at FROM jobs.job_steps WHERE name = 'upload'")).scalar_one()
    assert is_midnight_in_california(due)


def test_youtubes_own_quota_is_waited_for_until_midnight_in_california(twins, publish_it, account, database):
    twins.fault("youtube", "quota", match="POST .*/upload/")
    job = publish_it()
    [step] = [step for step in job["steps"] if step["name"] == "upload"]
    assert (job["finished_at"], uploads_of(twins, account)) == (None, [])
    assert "midnight in California" in step["error"]
    with database.jobs() as session:
        until = session.execute(text("SELECT open_until FROM jobs.breakers WHERE provider = 'youtube'")).scalar_one()
    assert is_midnight_in_california(until)


def is_midnight_in_california(instant: datetime) -> bool:
    there = instant.astimezone(ZoneInfo("America/Los_Angeles"))
    return datetime.now(UTC) < instant and abs(there - there.replace(hour=0, minute=0, second=0, microsecond=0)) < timedelta(
        minutes=2
    )


@pytest.mark.parametrize("clear", [False, None])
def test_public_is_refused_to_what_has_not_passed_its_check(twins, worker, database, storage, owner, account, clear):
    video_id, before = ready_video(database, storage, owner, FILM, clear=clear), len(twins.seen("youtube"))
    with database.tenant(owner) as session:
        job_id = publish.start(session, video_id, user_id=owner, privacy=Privacy.PUBLIC)
    assert succeeded(go_on(worker, database, job_id))
    [kept] = uploads_of(twins, account)
    row = row_of(database, owner, video_id)
    assert (kept["video"]["status"]["privacyStatus"], row["privacy_status"]) == ("private", "private")
    assert row["error_message"].startswith("It stays private: ")
    # Not for a moment: no call ever asked for more.
    assert "PUT /youtube/v3/videos" not in [seen["request"] for seen in twins.seen("youtube")[before:]]


def test_a_video_that_youtube_cannot_take_fails_with_its_words(twins, worker, database, owner, account, video_id):
    with database.tenant(owner) as session:
        job_id = publish.start(session, video_id, user_id=owner)
    worker.drain()
    [(key, kept)] = [(k, v) for k, v in twins.records("youtube.videos").items() if v["account"] == account]
    kept["video"]["status"] |= {"uploadStatus": "rejected", "rejectionReason": "duplicate"}
    twins.put("youtube.videos", key, kept)
    go_on(worker, database, job_id)
    row = row_of(database, owner, video_id)
    assert (row["status"], "duplicate" in row["error_message"]) == ("failed", True)


def test_a_token_that_is_over_is_renewed_in_the_middle_of_an_upload(twins, publish_it, account):
    twins.fault("youtube", "slow", times=2, seconds=0, match="PUT")
    twins.fault("youtube", "expired_token", match="PUT")
    assert succeeded(publish_it())
    assert [kept["sha256"] for kept in uploads_of(twins, account)] == [SHA256]


def test_a_permission_that_was_taken_back_is_asked_for_again(twins, publish_it, account, database, owner, video_id):
    twins.fault("youtube", "slow", times=2, seconds=0, match="PUT")
    twins.fault("youtube", "expired_token", times=2, match="PUT")
    twins.fault("google_oauth", "revoked", match="/token")
    job, row = publish_it(), row_of(database, owner, video_id)
    assert (job["status"], row["status"], "connect it again" in row["error_message"]) == ("failed", "failed", True)
    twins.clear_faults()
    connect(twins, database, owner, account)
    assert succeeded(publish_it())
    assert [kept["sha256"] for kept in uploads_of(twins, account)] == [SHA256]

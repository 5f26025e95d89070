"""What operators meet on a busy day: work of several owners that runs, waits, fails, was lost, and is held back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle
from uuid import UUID, uuid4

from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy import text

from api_stub.app import create_app
from core.ids import new_id
from core.settings import Settings
from core.version import source_version
from db import competitors, jobs, operators, schedules, watched
from db.base.competitors import Severity, SnapshotSource
from db.competitors import Change, Reading
from db.engine import Database
from db.jobs import Scope
from db.leads import clients
from db.schedule_rules import read_rule
from pipelines import coach
from pipelines.base import find_pipelines
from tests.api_stub.operating import make_user

OWNERS = ("Anna Bäcker", "bela", "carla", "dmitri", "eva-maria.of-a-long-name-in-a-company", "feng")
FAILURES = (
    ("publish", "Quota", "youtube refused the upload of video {n}: quotaExceeded, 1600 units of 10000 are left until 08:00"),
    ("ingest", "Refused", "file 'holiday {n}.mov' cannot be read: moov atom not found"),
    ("lead_search", "Unavailable", "https://places.example/v1/places:searchText/{n} did not answer within 30 s"),
    ("clip", "ChildDied", "ffmpeg was killed by signal 9 after {n} frames"),
)
CHANGES = (
    ("price_changed", Severity.HIGH, "The price of Basic went from 19 USD to 24 USD a month."),
    (
        "offer_added",
        Severity.MEDIUM,
        "New: “Free first visit for members of the chamber of commerce until the end of the year”.",
    ),
    ("hours_changed", Severity.LOW, "On Saturdays they open at 9:00 instead of 10:00."),
)
URL = "https://example.com/" + "a-very-long-path/" * 8
_LEASE = timedelta(hours=1)
_BEAT = text("""
INSERT INTO jobs.workers (id, queues, threads, host, process, version, free_disk_bytes, free_memory_bytes, started_at, seen_at)
VALUES (:id, CAST(:queues AS text[]), :threads, 'media-host-1.internal', :process, :version, 182000000000, 3900000000,
    now() - interval '3 h', now() + :ahead * interval '1 s')
""")


# Every page there is, a new one too.
PAGES = sorted(
    route.path
    for route in iter_route_contexts(create_app(None, None, Settings(local_mode=True, redis_url="", _env_file=None)).routes)
    if "GET" in (route.methods or ()) and route.original_route.response_class is HTMLResponse
)
_QUERIES = {"/jobs/bulk": "?deed=retry"}


def address(page: str, ids: Mapping[str, object]) -> str:
    """The address of a page of these. A name that is new in an address fails: say what it names."""
    return re.sub(r"\{(\w+)\}", lambda part: str(ids[part[1]]), page) + _QUERIES.get(page, "")


@dataclass(frozen=True)
class Stage:
    """One of each thing that has a page."""

    failed: UUID
    quarantined: UUID
    waiting: UUID
    retrying: UUID
    running: UUID
    batch: UUID
    conversation: int


def set_stage(database: Database, owner: str) -> Stage:
    """Fill the database; `owner` gets a part of everything."""
    owners = cycle([owner, *(make_user(database, name) for name in OWNERS)])
    failed = [
        _fail(database, _insert(database, next(owners), pipeline), kind, words.format(n=7 * number + 4))
        for pipeline, kind, words in FAILURES
        for number in range(4)
    ]
    running = [_begin(database, _insert(database, next(owners), name), 0.13 * (at + 1)) for at, name in enumerate(_WORK)]
    waiting = [_insert(database, next(owners), name) for name in _WORK * 3]
    quarantined = _lose(database, _insert(database, owner, "ingest"))
    retrying = _retry(database, _insert(database, owner, "publish"))
    batch = new_id()
    with database.jobs() as session:
        members = [failed[0], waiting[0], waiting[1]]
        jobs.insert_batch(session, batch, owner_id=owner, pipeline="lead_search", priority=2, job_ids=members, hook=None)
        for queue, threads, ahead in (("media", 1, 86400), ("ai", 2, 86400), ("web", 4, -40)):
            row = {"id": uuid4(), "queues": [queue], "threads": threads, "process": 4711 + threads}
            session.execute(_BEAT, {**row, "version": source_version() if ahead > 0 else "2026.11.1", "ahead": ahead})
        _hold_back(session, owner)
        _schedule(session, owner)
        jobs.keep_times(session, {(name, step.name): (40, 40 * 95.0) for name in _WORK for step in _steps(name)})
    with database.tenant(owner) as session:
        _watch(session, owner)
        asked = coach.start(session, user_id=owner, section="swot", action="ask", answers={}, message="Where do I begin?")
    return Stage(failed[0], quarantined, waiting[-1], retrying, running[0], batch, asked.conversation_id)


_WORK = ("ingest", "lead_search", "competitor_diff", "confidentiality", "publish", "coach")


def _steps(pipeline):
    return find_pipelines()[pipeline].rows


def _insert(database: Database, owner: str, pipeline: str) -> UUID:
    none = dict.fromkeys(("video_id", "request_id", "check_id"), 0)  # of a row: what became of the job is written nowhere
    args = {**none, "search_id": None, "note": "a fairly long argument that was given by a customer " * 3}
    with database.jobs() as session:
        return jobs.insert_job(
            session,
            pipeline=pipeline,
            owner_id=owner,
            args=args,
            steps=_steps(pipeline),
            subject=f"{pipeline}:{len(owner) * 131}",
        )


def _claim(session, job_id: UUID) -> jobs.Claim:
    step_id = session.scalar(
        text("SELECT id FROM jobs.job_steps WHERE job_id = :id AND status = 'queued' LIMIT 1"), {"id": job_id}
    )
    worker = session.scalar(text("SELECT id FROM jobs.workers LIMIT 1")) or uuid4()
    claim = jobs.claim(session, step_id, worker_id=worker, lease=_LEASE)
    assert claim is not None
    return claim


def _begin(database: Database, job_id: UUID, share: float) -> UUID:
    with database.jobs() as session:
        held = _claim(session, job_id)
        jobs.insert_log_line(session, held, "took 12 files, 3.4 GB in all, from the account of the owner", level="info")
        jobs.insert_log_line(session, held, "the service answers slowly", level="warning")
        done = {"id": held.step_id, "share": share}
        session.execute(
            text("""
            UPDATE jobs.job_steps SET progress = :share, progress_message = 'encoding rung 720p, frame 1204 of 9000',
                claimed_at = claimed_at - interval '4 min' WHERE id = :id
            """),
            done,
        )
    return job_id


def _fail(database: Database, job_id: UUID, kind: str, words: str) -> UUID:
    with database.jobs() as session:
        held = _claim(session, job_id)
        assert jobs.holds(session, held)
        jobs.fail(session, held, error=words, error_class=kind)
    return job_id


def _retry(database: Database, job_id: UUID) -> UUID:
    with database.jobs() as session:
        held = _claim(session, job_id)
        assert jobs.holds(session, held)
        jobs.retry_later(session, held, error="youtube answered 503", delay=timedelta(minutes=7))
    return job_id


def _lose(database: Database, job_id: UUID) -> UUID:
    """Lose its worker twice."""
    lost = text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE id = :id")
    for _ in range(2):
        with database.jobs() as session:
            session.execute(lost, {"id": _claim(session, job_id).step_id})
        with database.jobs() as session:
            jobs.rescue(session)
    return job_id


def _hold_back(session, owner: str) -> None:
    # Nothing of this holds back what pages' tests run: io and media, and the owner's steps.
    jobs.pause(session, Scope.QUEUE, "web", paused_by=owner, reason="the host is being replaced")
    jobs.pause(session, Scope.OWNER, "dmitri", paused_by=owner, reason="asked us to wait until they have cleaned up")
    operators.record_action(session, owner, "pause", "queue web", {"reason": "the host is being replaced"})
    jobs.set_limit(session, Scope.OWNER, "*", 40)
    jobs.set_limit(session, Scope.PROVIDER, "youtube", 2)
    jobs.set_weight(session, "feng", 2.5)
    jobs.open_breaker(
        session, "places", owner_id=None, open_for=timedelta(hours=1), opened_by=owner, reason="the key was revoked"
    )
    jobs.set_budget(session, "youtube", jobs.Per.DAY, 10_000, zone="America/Los_Angeles")
    jobs.spend(session, "youtube", 8_400)


def _schedule(session, owner: str) -> None:
    rules = (
        ("lead_search", {"kind": "weekly", "weekday": 1, "hour": 9, "minute": 0}, "Europe/Paris"),
        ("self_check", {"kind": "interval", "minutes": 240}, "UTC"),
        ("search_index", {"kind": "monthly", "day": 31, "hour": 2, "minute": 30}, "America/New_York"),
    )
    for pipeline, rule, zone in rules:
        row = {"owner_id": owner, "pipeline": pipeline, "args": {}, "rule": read_rule(rule), "zone": zone}
        made = schedules.insert(session, **row)
    schedules.pause(session, made["id"], reason="the owner has left")


def _watch(session, owner: str) -> None:
    us = {"name": "Bäckerei Anna & Töchter", "address": "Leeds", "keyword": "bakery"}
    client = clients.insert_client(session, us, user_id=owner)["id"]
    key = f"url:{URL}"
    watched.insert_competitor(
        session, client, competitor_key=key, source=SnapshotSource.WEBSITE, url=URL, name="Ada's Bread and Cakes", user_id=owner
    )
    row = competitors.insert_snapshot(session, client, Reading(key, SnapshotSource.WEBSITE, URL), user_id=owner)
    found = [Change(kind, summary=words, severity=severity) for kind, severity, words in CHANGES]
    competitors.insert_changes(session, found, before_snapshot_id=None, after_snapshot_id=row["id"], user_id=owner)

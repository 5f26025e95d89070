"""Reads a competitor, and says what changed since the last good reading."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import NotFound, Transient
from core.storage import Storage
from db import competitors, watched
from db.base.competitors import Severity, SnapshotSource
from db.competitors import Change, Reading
from pipelines.base import enqueue, step
from pipelines.competitors.compare import blocks_of, compare
from pipelines.competitors.outcome import Outcome, by_content, by_status, sentence, words
from pipelines.context import Context
from pipelines.providers.web import Page, fetch_page, read

_REMEMBERED = 8  # good readings that noise is learned from
GRAVE = (Severity.HIGH, Severity.MEDIUM)  # what is told at once
_BELIEVED_AFTER = 3  # readings in a row: then a page that shrank is what it is


@step(queue="web", provider="web", max_attempts=4)
def look(ctx: Context) -> object:
    """Read the page or feed. Keep what came by its hash, and how it went; nothing where nothing is new."""
    with ctx.read() as session:
        competitor = watched.get_competitor(session, ctx.args["competitor_id"])
        earlier = _list_earlier(session, competitor)
    last = earlier[0] if earlier else None
    known = {} if last is None else {"etag": competitor["etag"], "last_modified": competitor["last_modified"]}
    page = fetch_page(competitor["url"], **known)
    if page.is_unchanged:
        return _nothing_new(ctx, competitor, Outcome.OK, known)
    outcome, found = _judge(ctx, competitor, page, earlier)
    digest = hashlib.sha256(page.body).hexdigest()
    validators = {"etag": page.etag, "last_modified": page.last_modified} if outcome is Outcome.OK else {}
    if last and last["content_hash"] == digest and last["extracted_data"]["outcome"] == outcome:
        return _nothing_new(ctx, competitor, outcome, validators)
    key = _keep(ctx.storage, ctx.held.owner_id, digest, page.body) if page.body else None
    data = {"outcome": outcome.value, **(found or {})}
    reading = Reading(
        competitor["competitor_key"], SnapshotSource(competitor["source"]), page.url, digest, data, key, page.status or None
    )
    result: dict[str, Any] = {"snapshot_id": None, "outcome": outcome.value}
    with ctx.complete(result) as session:  # the reading and that it is there to be compared, both or neither
        if key:
            _hold(session, ctx.storage, key)
        snapshot = competitors.insert_snapshot(session, competitor["client_id"], reading, user_id=ctx.held.owner_id)
        watched.keep_outcome(session, competitor["id"], outcome.value, validators)
        result["snapshot_id"] = snapshot["id"]
    return result


def _nothing_new(ctx: Context, competitor: RowMapping, outcome: Outcome, validators: Mapping[str, Any]) -> object:
    with ctx.write() as session:
        watched.keep_outcome(session, competitor["id"], outcome.value, validators)
    return {"snapshot_id": None, "outcome": outcome.value}


def _list_earlier(session: Session, competitor: RowMapping) -> list[RowMapping]:
    source = SnapshotSource(competitor["source"])
    return competitors.list_readings(
        session, competitor["client_id"], competitor["competitor_key"], source, limit=competitors.COMPARED
    )


def _good(readings: Sequence[RowMapping]) -> list[RowMapping]:
    return [
        each
        for each in readings
        if (each["extracted_data"] or {}).get("outcome") == Outcome.OK and "blocks" in each["extracted_data"]
    ]


def _judge(
    ctx: Context, competitor: RowMapping, page: Page, earlier: Sequence[RowMapping]
) -> tuple[Outcome, Mapping[str, Any] | None]:
    if not page.is_allowed:
        return Outcome.DISALLOWED, None
    outcome = by_status(page.status)
    if outcome is not None:
        return outcome, None
    is_feed = competitor["source"] == SnapshotSource.YOUTUBE
    found = read(ctx.run, ctx.folder, page.body, kind="feed" if is_feed else "page", encoding=page.encoding)
    if found is None:
        return Outcome.UNREADABLE, None
    if is_feed:
        return Outcome.OK, found
    outcome = by_content(found, [words(each["extracted_data"]) for each in _good(earlier)[:5]])
    if outcome is Outcome.EMPTY and _is_believed(found, earlier):
        outcome = Outcome.OK
    return outcome, found


def _is_believed(found: Mapping[str, Any], earlier: Sequence[RowMapping]) -> bool:
    """It has said so little, and the same, several times in a row."""
    lately = [each["extracted_data"] for each in earlier[: _BELIEVED_AFTER - 1]]
    return len(lately) == _BELIEVED_AFTER - 1 and all(
        each.get("outcome") == Outcome.EMPTY and blocks_of(each) == blocks_of(found) for each in lately
    )


def _keep(storage: Storage, owner_id: str, digest: str, body: bytes) -> str:
    """By its hash, once for each owner: what one removes is not another's."""
    key = f"readings/{hashlib.sha256(owner_id.encode()).hexdigest()[:16]}/{digest}.gz"
    try:
        storage.size(key)
    except NotFound:
        with storage.writer(key) as file:
            file.write(gzip.compress(body, 6, mtime=0))
    return key


def _hold(session: Session, storage: Storage, key: str) -> None:
    """Name these bytes in this transaction, unless they were removed just now because nothing did."""
    competitors.lock_body(session, key)
    try:
        storage.size(key)
    except NotFound:
        raise Transient(
            "the bytes of this reading were removed meanwhile: it is read again", retry_after=timedelta(0)
        ) from None


@step(queue="web")
def find_changes(ctx: Context) -> object:
    """Compare the new reading with the last good one; of one that went wrong, only that it did is told, and once."""
    snapshot_id = ctx.result("look")["snapshot_id"]
    if snapshot_id is None:
        return {"changes": 0}
    with ctx.read() as session:
        competitor = watched.get_competitor(session, ctx.args["competitor_id"])
        earlier = [each for each in _list_earlier(session, competitor) if each["id"] < snapshot_id]
        reading = competitors.get_snapshot(session, snapshot_id)
    changes, baseline_id = _changes(ctx, competitor, reading, earlier)
    result = {"changes": len(changes), "gravest": _gravest(changes)}
    with ctx.complete(result) as session:
        if not competitors.has_changes(session, snapshot_id):
            competitors.insert_changes(
                session, changes, before_snapshot_id=baseline_id, after_snapshot_id=snapshot_id, user_id=ctx.held.owner_id
            )
            if result["gravest"] in GRAVE:
                # A job of its own: a way to tell that is away must not hold back the next reading.
                args = {"snapshot_id": snapshot_id, "name": competitor["name"]}
                enqueue(session, "competitor_alert", args, owner_id=ctx.held.owner_id, subject=f"competitor:{competitor['id']}")
    return result


def _changes(
    ctx: Context, competitor: RowMapping, reading: RowMapping, earlier: Sequence[RowMapping]
) -> tuple[list[Change], int | None]:
    outcome = Outcome(reading["extracted_data"]["outcome"])
    before = Outcome((earlier[0]["extracted_data"] or {}).get("outcome", Outcome.OK)) if earlier else Outcome.OK
    changes = []
    if outcome is not before:
        severity = Severity.HIGH if outcome in {Outcome.GONE, Outcome.SOFT_404} else Severity.LOW
        words_now = sentence(competitor["name"], outcome)
        changes.append(Change("outcome", "outcome", before.value, outcome.value, severity, words_now))
    good = _good(earlier)
    if outcome is not Outcome.OK or not good:
        return changes, earlier[0]["id"] if earlier else None
    old, new = good[0]["extracted_data"], reading["extracted_data"]
    if old["version"] != new["version"]:
        old = _read_again(ctx, competitor, good[0]) or new
    history = [each["extracted_data"] for each in good[1:_REMEMBERED][::-1]]
    return [*changes, *compare(old, new, history=history)], good[0]["id"]


def _read_again(ctx: Context, competitor: RowMapping, snapshot: RowMapping) -> Mapping[str, Any] | None:
    """What a later version of the reader makes of an earlier reading: that it reads otherwise is no change of the page."""
    if snapshot["raw_body_key"] is None:
        return None
    with ctx.storage.open(snapshot["raw_body_key"]) as file, gzip.open(file) as body:
        kind = "feed" if competitor["source"] == SnapshotSource.YOUTUBE else "page"
        return read(ctx.run, ctx.folder, body.read(), kind=kind)  # type: ignore[arg-type]


def _gravest(changes: Sequence[Change]) -> str | None:
    order = [Severity.HIGH, Severity.MEDIUM, Severity.LOW]
    return min((change.severity for change in changes), key=order.index, default=None)

"""Schedules become jobs here: what is due, what was missed, what waits for the job before it, and what somebody asks for now."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import AskStephenError, Conflict
from core.log import get_logger
from db import jobs, schedules
from db.engine import Role, acting_as
from db.schedule_rules import Instant, get_zone, iterate, next_instant, read_rule
from db.schedules import CatchUp, Fire, Outcome, Overlap
from pipelines.base import enqueue, get_pipeline, validated

_log = get_logger(__name__)
_ON_TIME = timedelta(minutes=5)  # what is later was missed: catching up decides
_MOST_RECORDED = 1000  # of instants that were missed, the last
_MOST_WAITING = 10
MISSED = "no scheduler ran at that time"
OVERLAPS = "the job before it had not ended"


def insert(session: Session, *, owner_id: str, pipeline: str, args: Mapping[str, Any], **how: Any) -> RowMapping:  # noqa: ANN401
    """A new schedule of a pipeline, its arguments looked at; `how` as `db.schedules.insert`. Raises NotFound, Invalid."""
    valid = validated(get_pipeline(pipeline), args)
    return schedules.insert(session, owner_id=owner_id, pipeline=pipeline, args=valid, **how)


def fire_due(session: Session, schedule: RowMapping, now: datetime) -> None:
    """Decide on each instant of a locked schedule that has come, once, and say when the next one is. As the job core.

    Raises Invalid where its rule or zone is none.
    """
    rule, zone = read_rule(schedule["rule"]), get_zone(schedule["zone"])
    coming = iterate(rule, zone, anchor=schedule["anchor_at"], after=schedule["next_fire_at"] - timedelta(microseconds=1))
    passed = deque(takewhile(lambda instant: instant.at <= now, coming), maxlen=_MOST_RECORDED)
    following = next_instant(rule, zone, anchor=schedule["anchor_at"], after=now)
    fires = _decide(list(passed), now, CatchUp(schedule["catch_up"]), schedule["catch_up_most"])
    if fires and fires[-1].outcome is Outcome.FIRED:
        fires[-1] = _meet_the_job_before(session, schedule, fires[-1], waits=any(f.outcome is Outcome.WAITING for f in fires))
    new = schedules.record(session, schedule["id"], fires)
    if fires and fires[-1].at in new and fires[-1].outcome is Outcome.FIRED:
        schedules.settle(session, schedule["id"], _make_job(session, schedule, fires[-1]))
    schedules.advance(session, schedule["id"], last=passed[-1].at if passed else None, following=following.at)


def _decide(passed: Sequence[Instant], now: datetime, catch_up: CatchUp, most: int) -> list[Fire]:
    """The last one is on time, or all were missed; of these some are caught up, one after another."""
    on_time = passed[-1:] if passed and now - passed[-1].at <= _ON_TIME else []
    missed = passed[: len(passed) - len(on_time)]
    wanted = {CatchUp.NONE: 0, CatchUp.LAST: 0 if on_time else 1, CatchUp.ALL: most}[catch_up]
    first_wanted = max(len(missed) - wanted, 0)
    skipped = [Fire(instant.at, Outcome.SKIPPED, instant.shifted, MISSED) for instant in missed[:first_wanted]]
    waiting = [Fire(instant.at, Outcome.WAITING, instant.shifted, MISSED) for instant in missed[first_wanted:]]
    return [*skipped, *waiting, *(Fire(instant.at, Outcome.FIRED, instant.shifted) for instant in on_time)]


def _meet_the_job_before(session: Session, schedule: RowMapping, fire: Fire, *, waits: bool) -> Fire:
    before = schedules.list_unfinished(session, schedule["id"])
    waiting = schedules.count_waiting(session, schedule["id"])
    if not before and not waiting and not waits:
        return fire
    match Overlap(schedule["overlap"]):
        case Overlap.QUEUE if waiting < _MOST_WAITING:
            return replace(fire, outcome=Outcome.WAITING)
        case Overlap.REPLACE:
            for job_id in before:
                _cancel(session, job_id)
            return fire
    return replace(fire, outcome=Outcome.SKIPPED, reason=OVERLAPS, job_id=None)


def _cancel(session: Session, job_id: UUID) -> None:
    with suppress(Conflict):  # it has just ended
        jobs.request_cancel(session, job_id)


def fire_waiting(session: Session, schedule: RowMapping) -> None:
    """Make the job of the first fire that waits for nothing any more, of a locked schedule. As the job core."""
    waiting = schedules.find_waiting(session, schedule["id"])
    if waiting is not None:
        outcome = Outcome.CAUGHT_UP if waiting["reason"] == MISSED else Outcome.FIRED
        schedules.settle(session, schedule["id"], _make_job(session, schedule, Fire(waiting["fire_at"], outcome)))


def fire_now(session: Session, schedule_id: UUID) -> UUID:
    """Make its job at once, besides its instants, and return it. As its owner. Raises NotFound, and what making it raises."""
    schedule = schedules.get(session, schedule_id)
    job_id = _enqueue(session, schedule)
    with acting_as(session, Role.JOBS):
        schedules.record(session, schedule_id, [Fire(schedules.get_now(session), Outcome.ASKED, job_id=job_id)])
    return job_id


def _make_job(session: Session, schedule: RowMapping, fire: Fire) -> Fire:
    """The fire with its job, or as one that failed: others go on."""
    try:
        with session.begin_nested():
            job_id = _enqueue(session, schedule)
    except OperationalError:
        raise
    except (AskStephenError, SQLAlchemyError) as error:
        _log.exception("schedule.not_fired", schedule_id=str(schedule["id"]), pipeline=schedule["pipeline"])
        words = str(error) if isinstance(error, AskStephenError) else "the database refused it; the log tells more"
        return replace(fire, outcome=Outcome.FAILED, reason=words)
    return replace(fire, job_id=job_id)


def _enqueue(session: Session, schedule: RowMapping) -> UUID:
    return enqueue(session, schedule["pipeline"], schedule["args"], owner_id=schedule["owner_id"], subject=schedule["subject"])

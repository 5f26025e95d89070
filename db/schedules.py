"""Schedules: the only table that the clock reads; and their fires: what became of each instant, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.errors import Conflict, Invalid, NotFound
from core.ids import new_id
from db.engine import Role, acting_as
from db.schedule_rules import Instant, Rule, get_zone, next_instant, preview, read_rule

MOST_PREVIEWED = 100


class Overlap(StrEnum):
    """What becomes of a fire while the job of the one before has not ended."""

    SKIP = "skip"
    QUEUE = "queue"  # it waits
    REPLACE = "replace"  # the job before is cancelled


class CatchUp(StrEnum):
    """What becomes of instants that passed while no scheduler ran."""

    NONE = "none"
    LAST = "last"
    ALL = "all"  # the last `catch_up_most`, one after another


class Outcome(StrEnum):
    """What became of an instant."""

    FIRED = "fired"
    CAUGHT_UP = "caught_up"
    ASKED = "asked"  # somebody said "now"
    WAITING = "waiting"  # for the job before it
    SKIPPED = "skipped"
    FAILED = "failed"  # its job could not be made


@dataclass(frozen=True, slots=True)
class Fire:
    """An instant and what became of it."""

    at: datetime
    outcome: Outcome
    shifted: bool = False
    reason: str | None = None
    job_id: UUID | None = None


_COLUMNS = """
id, owner_id, pipeline, args, subject, rule, zone, anchor_at, overlap, catch_up, catch_up_most, enabled, paused_reason, last_fire_at,
next_fire_at, lead_schedule_id, created_at, updated_at
"""
_NOTHING_RUNS = """
NOT EXISTS (SELECT 1 FROM jobs.schedule_fires f JOIN jobs.jobs j ON j.id = f.job_id WHERE f.schedule_id = s.id AND j.finished_at IS NULL)
"""
_INSERT = text(f"""
INSERT INTO jobs.schedules (id, owner_id, pipeline, args, subject, rule, zone, anchor_at, overlap, catch_up, catch_up_most, enabled,
    next_fire_at, lead_schedule_id)
VALUES (:id, :owner_id, :pipeline, :args, :subject, :rule, :zone, :anchor_at, :overlap, :catch_up, :catch_up_most, :enabled,
    :next_fire_at, :lead_schedule_id)
RETURNING {_COLUMNS}
""").bindparams(bindparam("args", type_=JSONB), bindparam("rule", type_=JSONB))  # noqa: S608  (constants)


def insert(
    session: Session,
    *,
    owner_id: str,
    pipeline: str,
    args: Mapping[str, Any],
    rule: Rule | Mapping[str, Any],
    zone: str,
    subject: str | None = None,
    overlap: Overlap = Overlap.SKIP,
    catch_up: CatchUp = CatchUp.LAST,
    catch_up_most: int = 10,
    enabled: bool = True,
    anchor_at: datetime | None = None,
    lead_schedule_id: int | None = None,
) -> RowMapping:
    """A new schedule; `args` are the pipeline's, valid already. Intervals are counted from `anchor_at`, or now. Raises Invalid."""
    if not 1 <= catch_up_most <= 100:  # noqa: PLR2004  (as the table has it)
        raise Invalid("catch_up_most must be from 1 to 100")
    rule = rule if isinstance(rule, Rule) else read_rule(rule)
    now = get_now(session)
    anchor_at = anchor_at or now
    following = next_instant(rule, get_zone(zone), anchor=anchor_at, after=now)
    values = {
        "id": new_id(),
        "owner_id": owner_id,
        "pipeline": pipeline,
        "args": dict(args),
        "subject": subject,
        "rule": rule.document(),
        "zone": zone,
        "anchor_at": anchor_at,
        "overlap": Overlap(overlap),
        "catch_up": CatchUp(catch_up),
        "catch_up_most": catch_up_most,
        "enabled": enabled,
        "next_fire_at": following.at if enabled else None,
        "lead_schedule_id": lead_schedule_id,
    }
    with acting_as(session, Role.JOBS):
        row = session.execute(_INSERT, values).mappings().one()
        _show_on_lead_schedule(session, row)
    return row


def get_now(session: Session) -> datetime:
    """The database's clock."""
    now: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now


def get(session: Session, schedule_id: UUID, *, lock: bool = False) -> RowMapping:
    """One schedule. Raises NotFound."""
    statement = text(f"SELECT {_COLUMNS} FROM jobs.schedules WHERE id = :id{' FOR UPDATE' * lock}")  # noqa: S608  (constants)
    row = session.execute(statement, {"id": schedule_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no schedule {schedule_id}")
    return row


def find_of_lead_schedule(session: Session, lead_schedule_id: int) -> UUID | None:
    """The schedule that this row of `leads_search_schedules` owns."""
    with acting_as(session, Role.JOBS):
        statement = text("SELECT id FROM jobs.schedules WHERE lead_schedule_id = :id")
        found: UUID | None = session.scalar(statement, {"id": lead_schedule_id})
    return found


def list_schedules(session: Session, *, before: UUID | None = None, limit: int = 50) -> list[RowMapping]:
    """Newest first, from `before` (exclusive) on, within what who asks may see; with the outcome of the last fire."""
    statement = text(f"""
        SELECT {_COLUMNS}, last.outcome AS last_outcome, last.reason AS last_reason, last.job_id AS last_job_id
        FROM jobs.schedules s LEFT JOIN LATERAL (
            SELECT outcome, reason, job_id FROM jobs.schedule_fires f WHERE f.schedule_id = s.id ORDER BY fire_at DESC LIMIT 1
        ) last ON true
        WHERE CAST(:before AS uuid) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit
    """)  # noqa: S608  (constants)
    return list(session.execute(statement, {"before": before, "limit": limit}).mappings())


def list_fires(session: Session, schedule_id: UUID, *, before: datetime | None = None, limit: int = 50) -> list[RowMapping]:
    """Of one schedule, newest first."""
    statement = text("""
        SELECT fire_at, outcome, shifted, reason, job_id, recorded_at FROM jobs.schedule_fires
        WHERE schedule_id = :id AND (CAST(:before AS timestamptz) IS NULL OR fire_at < :before) ORDER BY fire_at DESC LIMIT :limit
    """)
    return list(session.execute(statement, {"id": schedule_id, "before": before, "limit": limit}).mappings())


def preview_instants(schedule: RowMapping, *, after: datetime, most: int = 5) -> list[Instant]:
    """When a schedule is due next, as if it were not paused. Raises Invalid."""
    if not 1 <= most <= MOST_PREVIEWED:
        raise Invalid(f"a preview has from 1 to {MOST_PREVIEWED} instants")
    rule, zone = read_rule(schedule["rule"]), get_zone(schedule["zone"])
    return preview(rule, zone, anchor=schedule["anchor_at"], after=after, most=most)


def set_rule(session: Session, schedule_id: UUID, *, rule: Rule, zone: str, enabled: bool) -> RowMapping:
    """Let it be due by another rule from now on; what is past is not done again. Raises NotFound, Invalid."""
    with acting_as(session, Role.JOBS):
        row = get(session, schedule_id, lock=True)
        following = next_instant(rule, get_zone(zone), anchor=row["anchor_at"], after=get_now(session))
        statement = text(f"""
            UPDATE jobs.schedules SET rule = :rule, zone = :zone, enabled = :enabled, next_fire_at = :next, paused_reason = NULL,
                updated_at = now() WHERE id = :id RETURNING {_COLUMNS}
        """).bindparams(bindparam("rule", type_=JSONB))  # noqa: S608  (constants)
        values = {"rule": rule.document(), "zone": zone, "enabled": enabled, "next": following.at if enabled else None}
        row = session.execute(statement, {"id": schedule_id, **values}).mappings().one()
        _show_on_lead_schedule(session, row)
    return row


def pause(session: Session, schedule_id: UUID, *, reason: str | None = None) -> RowMapping:
    """Let it not be due until it is resumed. Raises NotFound."""
    get(session, schedule_id)
    return _set_next(session, schedule_id, None, reason)


def resume(session: Session, schedule_id: UUID) -> RowMapping:
    """Let it be due again, first at its next instant; what passed while it was paused is not caught up. Raises NotFound, Invalid."""
    (following,) = preview_instants(get(session, schedule_id), after=get_now(session), most=1)
    return _set_next(session, schedule_id, following.at, None)


def _set_next(session: Session, schedule_id: UUID, next_at: datetime | None, reason: str | None) -> RowMapping:
    statement = text(f"""
        UPDATE jobs.schedules SET enabled = CAST(:next AS timestamptz) IS NOT NULL, next_fire_at = :next, paused_reason = :reason,
            updated_at = now() WHERE id = :id RETURNING {_COLUMNS}
    """)  # noqa: S608  (constants)
    with acting_as(session, Role.JOBS):
        row = session.execute(statement, {"id": schedule_id, "next": next_at, "reason": reason}).mappings().one()
        _show_on_lead_schedule(session, row)
    return row


def delete(session: Session, schedule_id: UUID) -> None:
    """Remove a schedule with its fires; jobs that it began go on. Raises NotFound, or Conflict where another row owns it."""
    if get(session, schedule_id)["lead_schedule_id"] is not None:
        raise Conflict(f"schedule {schedule_id} belongs to a lead search: remove it there")
    session.execute(text("DELETE FROM jobs.schedules WHERE id = :id"), {"id": schedule_id})


def lock_due(session: Session, now: datetime) -> RowMapping | None:
    """The schedule that is due the longest, locked, if there is one that no other scheduler is at. As the job core."""
    statement = text(f"""
        SELECT {_COLUMNS} FROM jobs.schedules WHERE enabled AND next_fire_at <= :now
        ORDER BY next_fire_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """)  # noqa: S608  (constants)
    return session.execute(statement, {"now": now}).mappings().one_or_none()


def lock_waiting(session: Session) -> RowMapping | None:
    """A schedule with a fire that waits for nothing any more, locked, if there is one. As the job core."""
    statement = text(f"""
        SELECT {_COLUMNS} FROM jobs.schedules s
        WHERE s.id IN (SELECT schedule_id FROM jobs.schedule_fires WHERE outcome = 'waiting') AND {_NOTHING_RUNS}
        ORDER BY s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED
    """)  # noqa: S608  (constants)
    return session.execute(statement).mappings().one_or_none()


def find_waiting(session: Session, schedule_id: UUID) -> RowMapping | None:
    """The first fire that waits for nothing any more, of a schedule that is locked: only then is this sure. As the job core."""
    statement = text(f"""
        SELECT fire_at, reason FROM jobs.schedules s JOIN jobs.schedule_fires w ON w.schedule_id = s.id
        WHERE s.id = :id AND w.outcome = 'waiting' AND {_NOTHING_RUNS} ORDER BY fire_at LIMIT 1
    """)  # noqa: S608  (constants)
    return session.execute(statement, {"id": schedule_id}).mappings().one_or_none()


def count_waiting(session: Session, schedule_id: UUID) -> int:
    """How many of its fires wait."""
    statement = text("SELECT count(*) FROM jobs.schedule_fires WHERE schedule_id = :id AND outcome = 'waiting'")
    return int(session.scalar(statement, {"id": schedule_id}) or 0)


def list_unfinished(session: Session, schedule_id: UUID) -> list[UUID]:
    """The jobs of its fires that have not ended."""
    statement = text("""
        SELECT DISTINCT j.id FROM jobs.schedule_fires f JOIN jobs.jobs j ON j.id = f.job_id
        WHERE f.schedule_id = :id AND j.finished_at IS NULL ORDER BY 1
    """)
    return list(session.execute(statement, {"id": schedule_id}).scalars())


def record(session: Session, schedule_id: UUID, fires: Sequence[Fire]) -> set[datetime]:
    """Write what became of these instants, and return those that nobody had written before. As the job core."""
    if not fires:
        return set()
    statement = text("""
        INSERT INTO jobs.schedule_fires (schedule_id, fire_at, outcome, shifted, reason, job_id)
        SELECT :id, n.* FROM unnest(CAST(:at AS timestamptz[]), CAST(:outcome AS text[]), CAST(:shifted AS boolean[]),
            CAST(:reason AS text[]), CAST(:job_id AS uuid[])) n
        ON CONFLICT (schedule_id, fire_at) DO NOTHING RETURNING fire_at
    """)
    columns = {name: [getattr(fire, name) for fire in fires] for name in ("at", "outcome", "shifted", "reason", "job_id")}
    return set(session.execute(statement, {"id": schedule_id, **columns}).scalars())


def settle(session: Session, schedule_id: UUID, fire: Fire) -> None:
    """Write what became of an instant that is recorded already. As the job core."""
    statement = text("""
        UPDATE jobs.schedule_fires SET outcome = :outcome, reason = :reason, job_id = :job_id, recorded_at = now()
        WHERE schedule_id = :id AND fire_at = :at
    """)
    values = {"id": schedule_id, "at": fire.at, "outcome": fire.outcome, "reason": fire.reason, "job_id": fire.job_id}
    session.execute(statement, values)


def advance(session: Session, schedule_id: UUID, *, last: datetime | None, following: datetime) -> None:
    """Say when it was due last (None: as before) and is due next, here and where people see it. As the job core."""
    statement = text(f"""
        UPDATE jobs.schedules SET last_fire_at = coalesce(:last, last_fire_at), next_fire_at = :next WHERE id = :id
        RETURNING {_COLUMNS}
    """)  # noqa: S608  (constants)
    row = session.execute(statement, {"id": schedule_id, "last": last, "next": following}).mappings().one()
    _show_on_lead_schedule(session, row)


def _show_on_lead_schedule(session: Session, row: RowMapping) -> None:
    """Columns without a zone hold UTC: every connection's zone is that."""
    if row["lead_schedule_id"] is not None:
        statement = text("""
            UPDATE public.leads_search_schedules
            SET next_run_at = :next, last_run_at = coalesce(:last, last_run_at), is_active = :enabled WHERE id = :id
        """)
        shown = {"next": row["next_fire_at"], "last": row["last_fire_at"], "enabled": row["enabled"]}
        values = {"id": row["lead_schedule_id"], **shown}
        session.execute(statement, values)


def list_lead_schedules_without(session: Session, *, most: int) -> list[RowMapping]:
    """Rows of an earlier database that no clock has yet. As the job core."""
    statement = text("""
        SELECT l.* FROM public.leads_search_schedules l
        WHERE NOT EXISTS (SELECT 1 FROM jobs.schedules s WHERE s.lead_schedule_id = l.id) ORDER BY l.id LIMIT :most
    """)
    return list(session.execute(statement, {"most": most}).mappings())

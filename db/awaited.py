"""Questions that were put to the outside and are answered later, by a message. As the job core.

`kind` and `name` are what both sides call a question. A job waits for its answer as a step that is queued for later; the answer lets
it run at once. When nobody waits any more, the answer is kept, and whoever brings it is told which job to make of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from db.engine import MOVED
from db.jobs import LIVE_STATUSES

# A question that was given up without an answer and is asked anew is another round of it.
_EXPECT = text("""
INSERT INTO jobs.awaited AS held (kind, name, user_id, job_id, step, late_pipeline, late_args, answer_by)
VALUES (:kind, :name, :user_id, :job_id, :step, :late_pipeline, :late_args, now() + :within)
ON CONFLICT (kind, name) DO UPDATE SET job_id = excluded.job_id, step = excluded.step, given_up_at = NULL,
    round = held.round + (held.given_up_at IS NOT NULL AND held.answer IS NULL)::integer,
    asked_at = CASE WHEN held.given_up_at IS NOT NULL AND held.answer IS NULL THEN now() ELSE held.asked_at END,
    answer_by = CASE WHEN held.given_up_at IS NOT NULL AND held.answer IS NULL THEN excluded.answer_by ELSE held.answer_by END
RETURNING round
""").bindparams(bindparam("late_args", type_=JSONB))
_LOOK = text("""
SELECT answer, answer_by - now() AS left_time, now() - asked_at AS waited FROM jobs.awaited WHERE kind = :kind AND name = :name
""")
_GIVE_UP = text("""
UPDATE jobs.awaited SET given_up_at = now() WHERE kind = :kind AND name = :name AND answer IS NULL RETURNING 1
""")
_LOCK = text("""
SELECT user_id, job_id, step, late_pipeline, late_args, :message_id = ANY (message_ids) AS is_known FROM jobs.awaited
WHERE kind = :kind AND name = :name FOR UPDATE
""")
_ANSWER = text("""
UPDATE jobs.awaited SET answer = :answer, answered_at = now(), message_ids = array_append(message_ids, CAST(:message_id AS text))
WHERE kind = :kind AND name = :name
""").bindparams(bindparam("answer", type_=JSONB))
_WAITS = text(f"""
SELECT 1 FROM jobs.job_steps WHERE job_id = :job_id AND name = :step AND status IN {LIVE_STATUSES}
""")  # noqa: S608  (a constant)
_WAKE = text("""
UPDATE jobs.job_steps SET available_at = now() WHERE id IN (
    SELECT id FROM jobs.job_steps WHERE job_id = :job_id AND name = :step AND status = 'queued' AND available_at > now()
    FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the job that takes an answer which nobody waits for any more."""

    kind: str
    name: str
    late_pipeline: str
    late_args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a question stands."""

    answer: Any
    left: timedelta
    waited: timedelta


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer that was kept: whose, and the job that is to be made of it, where nobody waits."""

    user_id: str
    late: tuple[str, Mapping[str, Any]] | None


def expect(session: Session, question: Question, *, user_id: str, job_id: UUID, step: str, within: timedelta) -> int:
    """Let this step be the one that waits; returns which round of asking this is. Before anything is asked; may be repeated."""
    values = {
        "kind": question.kind,
        "name": question.name,
        "user_id": user_id,
        "job_id": job_id,
        "step": step,
        "late_pipeline": question.late_pipeline,
        "late_args": dict(question.late_args),
        "within": within,
    }
    return int(session.execute(_EXPECT, values).scalar_one())


def look(session: Session, question: Question) -> Standing:
    """How it stands now; its `answer` is None until there is one."""
    row = session.execute(_LOOK, {"kind": question.kind, "name": question.name}).one()
    return Standing(row.answer, row.left_time, row.waited)


def give_up(session: Session, question: Question) -> bool:
    """Wait no longer; False when an answer has come after all."""
    return session.execute(_GIVE_UP, {"kind": question.kind, "name": question.name}).first() is not None


def answer(session: Session, kind: str, name: str, body: object, *, message_id: str) -> Taken | None:
    """Keep an answer and let the job that waits run. None where nobody asked this, or this very message came before."""
    named = {"kind": kind, "name": name, "message_id": message_id}
    row = session.execute(_LOCK, named).one_or_none()
    if row is None or row.is_known:
        return None
    session.execute(_ANSWER, {**named, "answer": body})
    waiting = {"job_id": row.job_id, "step": row.step}
    if session.execute(_WAITS, waiting).first() is None:
        return Taken(row.user_id, (row.late_pipeline, row.late_args))
    session.execute(_WAKE, waiting)
    session.info[MOVED] = True
    return Taken(row.user_id, None)

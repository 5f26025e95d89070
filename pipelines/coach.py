"""The pipeline `coach`: a reply to the owner of a workbook, written where it can be read meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import chat, jobs
from pipelines.base import Pipeline, enqueue
from pipelines.steps.coach import reply

Section = Literal["core-value", "swot", "root-cause", "time-audit", "action-plan"]
_LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class Coach:
    """The rows that `start` wrote, and what is being worked on."""

    conversation_id: int
    reply_id: int
    section: Section
    action: str
    answers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """What asking the coach began."""

    conversation_id: int
    reply_id: int
    job_id: UUID


def start(
    session: Session,
    *,
    user_id: str,
    section: str,
    action: str,
    answers: Mapping[str, Any],
    message: str | None = None,
    conversation_id: int | None = None,
) -> Started:
    """Write what the owner says, an empty reply and its job; without a conversation, a new one. Raises NotFound, Invalid, Refused."""
    said = (message or action).strip()
    if conversation_id is None:
        conversation_id = chat.insert_conversation(session, f"{section}: {said}"[:_LONGEST_TITLE], user_id=user_id)["id"]
    chat.insert_message(session, conversation_id, role="user", content=said, user_id=user_id)
    reply_id = chat.insert_message(session, conversation_id, role="assistant", content="", user_id=user_id)["id"]
    args = {
        "conversation_id": conversation_id,
        "reply_id": reply_id,
        "section": section,
        "action": action,
        "answers": dict(answers),
    }
    job_id = enqueue(session, "coach", args, owner_id=user_id, subject=f"conversation:{conversation_id}", priority=0)
    return Started(conversation_id, reply_id, job_id)


def follow(session: Session, job: RowMapping) -> None:
    """Where no reply came, say so in its place."""
    if job["status"] in {jobs.Status.FAILED, jobs.Status.QUARANTINED}:
        chat.set_message(session, job["args"]["reply_id"], "The coach could not answer this. Your answers are kept; ask again.")


PIPELINE = Pipeline("coach", Coach, (reply,), follow, finish_within=timedelta(hours=1))

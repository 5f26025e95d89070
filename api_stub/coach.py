"""The coach of the workbook, and drafts of its sections: jobs, whose words can be read while they are written."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api_stub.auth import Asker, DatabaseHere, SettingsHere, User, in_area
from api_stub.contract import Sent, Shown
from api_stub.work import accepted
from core.errors import NotFound
from db import chat, status
from db.base.workbook import BusinessArea
from db.engine import Database
from db.permissions import Area
from pipelines import coach
from pipelines.base import enqueue
from pipelines.coach import Section
from pipelines.coaching import DRAFTS

router = APIRouter(tags=["coach"])
_Owner = Annotated[Asker, Depends(in_area(Area.WORKBOOK))]
_LOOK_SECONDS = 0.25
_KEEP_ALIVE_LOOKS = 60
_MOST_STREAMS = 100  # of one process
_LATER = "The coach is still writing. Ask again in a moment; your answers are kept."
_Answers = Annotated[dict[str, Any], Field(max_length=60, default_factory=dict)]
_open_streams = 0


class Question(Sent):
    """What an earlier client asks the coach."""

    section: Section
    action: Annotated[str, Field(min_length=1, max_length=200)]
    current_answers: _Answers
    message: Annotated[str | None, Field(max_length=8000)] = None


class Reply(Shown):
    """What the coach says."""

    response: str
    suggestions: list[str]


class NewQuestion(BaseModel):
    """What to ask the coach; within a conversation that is there, or in a new one."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"section": "swot", "message": "Where do I begin?"}]}
    )

    section: Section
    action: Annotated[str, Field(min_length=1, max_length=200)] = "help"
    answers: _Answers
    message: Annotated[str | None, Field(max_length=8000)] = None
    conversation_id: Annotated[int | None, Field(ge=1, lt=2**31)] = None


class NewDraft(BaseModel):
    """Which section to draft; of a SWOT analysis, for which business area."""

    model_config = ConfigDict(extra="forbid")

    business_area: BusinessArea = BusinessArea.OVERALL


@dataclass(frozen=True, slots=True)
class _Seen:
    """A reply as it is now."""

    status: str
    text: str
    ended: bool

    def event(self, job: dict[str, Any]) -> str:
        told = {"status": self.status, "text": self.text, **job}
        return f"id: {self.status}-{len(self.text)}\nevent: reply\ndata: {json.dumps(told)}\n\n"


@router.post("/api/workbook/ai-coach")
async def ask_coach(question: Question, owner: _Owner, database: DatabaseHere, config: SettingsHere) -> Reply:
    """The coach's reply, waited for; where none comes, a sentence that says so and what is still open."""
    started = await asyncio.to_thread(_start, database, owner.id, question.current_answers, question)
    for _ in range(max(1, int(config.coach_wait_seconds / _LOOK_SECONDS))):
        seen = await asyncio.to_thread(_look, database, owner.id, started.job_id)
        if seen.ended:
            suggestions = await asyncio.to_thread(_suggestions, database, owner.id, started.job_id)
            return Reply(response=seen.text or _LATER, suggestions=suggestions)
        await asyncio.sleep(_LOOK_SECONDS)
    return Reply(response=_LATER, suggestions=[])


@router.post("/v1/coach", status_code=202)
def post_question(question: NewQuestion, owner: _Owner, database: DatabaseHere) -> JSONResponse:
    """Ask the coach: 202 with the job, whose events tell the reply while it is written."""
    started = _start(database, owner.id, question.answers, question, conversation_id=question.conversation_id)
    return accepted(
        started.job_id,
        conversation_id=started.conversation_id,
        message_id=started.reply_id,
        events=f"/v1/coach/{started.job_id}/events",
    )


@router.get(
    "/v1/coach/{job_id}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}}
)
async def stream_reply(job_id: UUID, user: User, database: DatabaseHere) -> StreamingResponse:
    """Server-sent events `reply`: each holds all that is written by now, so that a reconnect misses nothing. Ends with the job.

    Raises HTTP 503 when this process serves as many streams as it can.
    """
    if _open_streams >= _MOST_STREAMS:
        raise HTTPException(503, f"{_MOST_STREAMS} replies are being read here, as many as can be", {"Retry-After": "5"})
    await asyncio.to_thread(_look, database, user, job_id)  # what is not there is told before the stream begins
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(database, user, job_id), media_type="text/event-stream", headers=headers)


@router.post("/v1/workbook/{section}/draft", status_code=202)
def post_draft(section: str, owner: _Owner, database: DatabaseHere, wanted: NewDraft | None = None) -> JSONResponse:
    """Draft a section from all that is written: swot, root-cause, core-value or action-plan. What a person wrote stays."""
    args = {"section": section, "business_area": (wanted or NewDraft()).business_area}
    if section not in DRAFTS:
        raise NotFound(f"there is no draft of {section}")
    with database.tenant(owner.id) as session:
        job_id = enqueue(session, "workbook_draft", args, owner_id=owner.id, subject=f"workbook:{section}")
    return accepted(job_id)


def _start(
    database: Database,
    user: str,
    answers: dict[str, Any],
    question: Question | NewQuestion,
    *,
    conversation_id: int | None = None,
) -> coach.Started:
    with database.tenant(user) as session:
        return coach.start(
            session,
            user_id=user,
            section=question.section,
            action=question.action,
            answers=answers,
            message=question.message,
            conversation_id=conversation_id,
        )


def _look(database: Database, user: str, job_id: UUID) -> _Seen:
    """The reply of a job of this user as it is now. Raises NotFound."""
    with database.tenant(user) as session:
        job = status.get_job(session, job_id)
        if job["pipeline"] != "coach":
            raise NotFound(f"job {job_id} is no question to the coach")
        message = chat.get_message(session, job["args"]["reply_id"])
    return _Seen(job["status"], message["content"], job["finished_at"] is not None)


def _result(database: Database, user: str, job_id: UUID) -> dict[str, Any]:
    """What the step of a reply returned; nothing where it did not succeed."""
    with database.tenant(user) as session:
        steps = status.snapshot(session, job_id)["steps"]
    return next((one["result"] for one in steps if one["name"] == "reply" and one["result"]), {})


def _suggestions(database: Database, user: str, job_id: UUID) -> list[str]:
    suggestions: list[str] = _result(database, user, job_id).get("suggestions", [])
    return suggestions


async def _events(database: Database, user: str, job_id: UUID) -> AsyncIterator[str]:
    global _open_streams  # noqa: PLW0603  (counted on the one thread of the loop)
    _open_streams += 1
    last, quiet = None, 0
    try:
        while last is None or not last.ended:
            seen = await asyncio.to_thread(_look, database, user, job_id)
            if seen != last:
                more = await asyncio.to_thread(_result, database, user, job_id) if seen.ended else {}
                yield seen.event(more)
                last, quiet = seen, 0
            else:
                quiet += 1
                if quiet % _KEEP_ALIVE_LOOKS == 0:
                    yield ": still here\n\n"
            await asyncio.sleep(0 if seen.ended else _LOOK_SECONDS)
    except NotFound:  # removed meanwhile
        return
    finally:
        _open_streams -= 1

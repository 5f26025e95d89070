"""Requests for work: what all of them may say, and their answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from db import jobs
from db.engine import Database
from db.idempotency import Request, answer_once

_MONTH_SECONDS = 31 * 86400.0
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
Seconds = Annotated[float, Field(ge=0.001, le=_MONTH_SECONDS)]


class NewWork(BaseModel):
    """Of `priority`, 0 goes first and 3 last. A job that has not begun, or not ended, within its limit fails."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str
    priority: Annotated[int, Field(ge=0, le=3)] = jobs.DEFAULT_PRIORITY
    start_within_seconds: Seconds | None = None
    finish_within_seconds: Seconds | None = None

    def wishes(self) -> dict[str, Any]:
        """For `enqueue`."""
        return {
            "priority": self.priority,
            "start_within": _span(self.start_within_seconds),
            "finish_within": _span(self.finish_within_seconds),
        }


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def accepted(job_id: UUID, **more: object) -> JSONResponse:
    """202 with where to look: this job was enqueued."""
    body = {"id": str(job_id), "status": "queued", **more}
    return JSONResponse(body, 202, {"Location": f"/v1/jobs/{job_id}", "Retry-After": "1"})


def answered(
    database: Database, user: str, insert: Callable[[Session], dict[str, Any]], *, path: str, key: str | None, asked: BaseModel
) -> JSONResponse:
    """202 with where to look: do `insert` as the user, unless `key` did it before. Raises Invalid, and what `insert` raises."""
    with database.tenant(user) as session:
        if key is None:
            body, replayed = insert(session), False
        else:
            body, replayed = answer_once(
                session, user, Request(f"POST {path}", key, asked.model_dump(mode="json", exclude_defaults=True)), insert
            )
    headers = {"Location": f"{path}/{body['id']}", "Retry-After": "1"}
    return JSONResponse(body, 202, headers | ({"Idempotency-Replayed": "true"} if replayed else {}))

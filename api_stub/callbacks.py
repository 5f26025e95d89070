"""Where external workflows bring what they found: signed with the shared secret, taken once, and no more than was asked for."""

import re
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, SettingsHere
from api_stub.contract import LARGEST_ID
from core import signatures
from db import awaited
from db.leads import clients
from pipelines.base import enqueue

router = APIRouter(prefix="/api", tags=["callbacks"])
_LONGEST_ID = 200
_SEARCH = re.compile(r"(?:search-)?([1-9]\d{0,9})", re.ASCII)


async def signed(request: Request, config: SettingsHere) -> str:
    """The message's id, if who sent it holds the secret and not a byte was changed on the way. Raises HTTP 404, 403."""
    secret = config.leads_webhook_secret.get_secret_value()
    if not secret:
        raise HTTPException(404, "nobody here waits for this: LEADS_WEBHOOK_SECRET is not set")
    key = signatures.read_secret(secret, "LEADS_WEBHOOK_SECRET")
    if not signatures.is_signed(key, request.headers, await request.body(), now=time.time()):
        raise HTTPException(403, "the signature is not of this message, or the message is older than five minutes")
    return request.headers[signatures.ID][:_LONGEST_ID]


Signed = Annotated[str, Depends(signed)]


class Results(BaseModel):
    """What a workflow found, or why it found nothing. What else it says is passed over."""

    model_config = ConfigDict(extra="ignore")

    search_id: Annotated[int | str, Field(examples=["search-12"])]
    results: list[Any] | None = None
    error: str | None = None


class Taken(BaseModel):
    """The search that was meant."""

    success: bool = True
    search_id: int


@router.post("/leads/webhook/results")
def post_lead_results(told: Results, message_id: Signed, database: DatabaseHere) -> Taken:
    """What a workflow found for a search that was handed to it; an error counts more than results."""
    found = _SEARCH.fullmatch(str(told.search_id))
    search_id = int(found[1]) if found else 0
    if not 0 < search_id <= LARGEST_ID:
        raise HTTPException(400, "search_id must be search- and the number of a search, or that number")
    body = {"error": told.error} if told.error else {"results": told.results} if told.results is not None else None
    if body is not None:
        with database.jobs() as session:
            taken = awaited.answer(session, "lead_search", str(search_id), body, message_id=message_id)
            if taken and taken.late:
                pipeline, args = taken.late
                enqueue(session, pipeline, args, owner_id=taken.user_id, subject=clients.subject(args["client_id"]))
    return Taken(search_id=search_id)

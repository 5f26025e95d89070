"""Where services tell that something changed. What they say is never trusted: it starts a look at the account, and no more."""

import hashlib
import hmac
import json
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, SettingsHere
from db import syncs
from db.base.connections import CloudProvider
from db.engine import Database
from pipelines.base import enqueue

router = APIRouter(prefix="/webhooks", include_in_schema=False)  # for the services, not for clients
_LARGEST_BODY = 64 * 1024
_MOST_ACCOUNTS = 1000
_UNKNOWN = HTTPException(404, "nobody here waits for this")


@router.post("/google_drive", status_code=204)
def told_by_drive(
    database: DatabaseHere,
    channel_id: Annotated[str, Header(alias="X-Goog-Channel-ID", max_length=200)] = "",
    secret: Annotated[str, Header(alias="X-Goog-Channel-Token", max_length=200)] = "",
) -> None:
    """Something changed, or the channel says hello. There is no signature: the channel's secret is compared, the body not read."""
    with database.jobs() as session:
        channel = syncs.find_channel(session, channel_id)
        if channel is None or not hmac.compare_digest(channel.secret_hash, syncs.hash_secret(secret)):
            raise _UNKNOWN
        enqueue(session, "connection_sync", {"connection_id": channel.connection_id}, owner_id=channel.user_id)


@router.get("/dropbox")
def prove_to_dropbox(challenge: Annotated[str, Query(min_length=1, max_length=1000)]) -> Response:
    """The echo by which Dropbox knows that this address is meant to hear it."""
    return PlainTextResponse(challenge, headers={"X-Content-Type-Options": "nosniff"})


@router.post("/dropbox", status_code=204)
async def told_by_dropbox(
    request: Request,
    database: DatabaseHere,
    config: SettingsHere,
    signature: Annotated[str, Header(alias="X-Dropbox-Signature", max_length=200)] = "",
) -> None:
    """Accounts in which something changed, signed over the body's very bytes with the app's secret."""
    secret = config.dropbox_app_secret.get_secret_value()
    if not secret:
        raise _UNKNOWN
    body = await _read(request)
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), signature.encode()):
        raise HTTPException(403, "the signature is not of this body")
    await run_in_threadpool(_look_at, database, _accounts(body))


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, "a message is not that long")
    return bytes(body)


def _accounts(body: bytes) -> list[str]:
    try:
        named = json.loads(body)["list_folder"]["accounts"]
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400, "this message names no accounts") from None
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise HTTPException(400, "this message names no accounts")
    return named[:_MOST_ACCOUNTS]


def _look_at(database: Database, account_ids: list[str]) -> None:
    with database.jobs() as session:
        for followed in syncs.list_followed(session, CloudProvider.DROPBOX, account_ids):
            enqueue(session, "connection_sync", {"connection_id": followed.connection_id}, owner_id=followed.user_id)

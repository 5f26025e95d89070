import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api_stub.app import create_app
from api_stub.auth import get_user
from core.crypto import KeyRing
from core.settings import Settings, settings
from core.signatures import read_secret, sign
from core.storage import FolderStorage
from db import connections, status, syncs
from db.engine import Database
from tests.contract.route import CALLBACK_SECRET

SECRET = "of the app"
MESSAGE = json.dumps({"list_folder": {"accounts": ["dbid:mine", "dbid:unknown"]}, "delta": {"users": [1]}}).encode()


@pytest.fixture
def door(database: Database, storage: FolderStorage, config: Settings) -> Iterator[TestClient]:
    """An installation that services reach; nobody is signed in."""
    secrets = {"dropbox_app_secret": SecretStr(SECRET), "leads_webhook_secret": SecretStr(CALLBACK_SECRET)}
    app: FastAPI = create_app(database, storage, config.model_copy(update={"local_mode": False, **secrets}))
    with TestClient(app, base_url="https://askstephen.example") as client:
        yield client


def follow(database: Database, owner: str, provider: str, account_id: str) -> int:
    with database.tenant(owner) as session:
        connection = connections.insert_connection(
            session,
            KeyRing.of(settings()),
            user_id=owner,
            provider=provider,
            access_token="a",
            refresh_token=None,
            expires_at=None,
            account_id=account_id,
        )
        syncs.choose_folder(session, connection["id"], user_id=owner, folder="", name=None)
        return int(connection["id"])


def looks(database: Database) -> list[int]:
    with database.jobs() as session:
        return [job["args"]["connection_id"] for job in status.list_jobs(session, pipeline="connection_sync")]


@pytest.fixture
def channel(database: Database, owner: str) -> dict[str, str]:
    connection_id = follow(database, owner, "google_drive", "me")
    with database.tenant(owner) as session:
        sync = syncs.get_sync(session, connection_id)
        syncs.insert_channel(session, sync, channel_id="channel-1", secret="hush", lifetime=timedelta(days=1))
    return {"X-Goog-Channel-ID": "channel-1", "X-Goog-Channel-Token": "hush", "X-Goog-Resource-State": "change"}


def test_many_messages_are_one_look(door: TestClient, database: Database, channel: dict[str, str]):
    for _ in range(5):
        assert door.post("/webhooks/google_drive", headers=channel).status_code == 204
    assert len(looks(database)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Goog-Channel-Token": "hush!"},
        {"X-Goog-Channel-Token": ""},
        {"X-Goog-Channel-ID": "channel-2"},
        {"X-Goog-Channel-ID": ""},
    ],
)
def test_a_channel_is_known_by_its_secret(
    door: TestClient, database: Database, channel: dict[str, str], changed: dict[str, str]
):
    assert door.post("/webhooks/google_drive", headers={**channel, **changed}).status_code == 404
    assert looks(database) == []


def test_a_channel_that_is_over_is_not_known(door: TestClient, database: Database, owner: str, channel: dict[str, str]):
    with database.tenant(owner) as session:
        syncs.note_channel(session, "channel-1", resource="r", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert door.post("/webhooks/google_drive", headers=channel).status_code == 404


def test_dropbox_is_shown_that_this_address_is_meant(door: TestClient):
    answer = door.get("/webhooks/dropbox?challenge=<b>1</b>")
    assert (answer.text, answer.headers["content-type"]) == ("<b>1</b>", "text/plain; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Dropbox-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_a_signed_message_starts_a_look_at_each_account_it_names(door: TestClient, database: Database, owner: str):
    mine = follow(database, owner, "dropbox", "dbid:mine")
    follow(database, owner, "dropbox", "dbid:other")
    assert door.post("/webhooks/dropbox", content=MESSAGE, headers=signed(MESSAGE)).status_code == 204
    assert looks(database) == [mine]


def calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from calls(inner)


RESULTS = b'{"search_id": 1, "results": []}'
FOUND = b'{"clientBusinessId": 1, "actionsCompleted": [], "timestamp": "2026-11-25T12:00:00Z"}'


def sealed(body: bytes) -> tuple[bytes, dict[str, str]]:
    return body, sign(read_secret(CALLBACK_SECRET, ""), "m", body, now=time.time())


# Every route that takes something in and asks nobody who they are: a good message, by its body and headers.
UNASKED = {
    "/webhooks/dropbox": lambda: (MESSAGE, signed(MESSAGE)),
    "/api/leads/webhook/results": lambda: sealed(RESULTS),
    "/api/intel/callback": lambda: sealed(FOUND),
}
UNSIGNED = {"/webhooks/google_drive", "/sign-out"}  # no body is read: the first is known by the channel's secret, see above


def test_every_door_that_asks_nobody_refuses_a_body_with_one_changed_byte(door: TestClient, app: FastAPI):
    """A webhook that is new fails here until it is said how its messages are signed."""
    routes = [(one, getattr(one, "dependant", None)) for one in iter_route_contexts(app.routes)]
    unsafe = {"POST", "PUT", "PATCH", "DELETE"}
    unasked = {one.path for one, of in routes if of and set(one.methods or ()) & unsafe and get_user not in calls(of)}
    assert unasked == {*UNASKED, *UNSIGNED}
    for path, make in UNASKED.items():
        body, headers = make()
        headers = {**headers, "content-type": "application/json"}
        assert door.post(path, content=body, headers=headers).status_code in {200, 204}
        for at in range(0, len(body), 3):
            changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            refused = {400, 403, 422}  # what is no JSON any more is refused as that
            assert door.post(path, content=changed, headers=headers).status_code in refused, (path, changed)
        for name in set(headers) - {"content-type"}:
            value = headers[name]
            for wrong in ({name: ""}, {name: value[:-1] + chr(ord(value[-1]) ^ 1)}):
                assert door.post(path, content=body, headers={**headers, **wrong}).status_code == 403, (path, wrong)


def test_one_changed_byte_is_refused(door: TestClient, database: Database, owner: str):
    follow(database, owner, "dropbox", "dbid:mine")
    for at in range(len(MESSAGE)):
        body = MESSAGE[:at] + bytes([MESSAGE[at] ^ 1]) + MESSAGE[at + 1 :]
        assert door.post("/webhooks/dropbox", content=body, headers=signed(MESSAGE)).status_code == 403
    assert door.post("/webhooks/dropbox", content=MESSAGE, headers=signed(MESSAGE, "another")).status_code == 403
    assert door.post("/webhooks/dropbox", content=MESSAGE).status_code == 403
    assert looks(database) == []


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", 400), (b"[]", 400), (b'{"list_folder": {"accounts": [1]}}', 400), (b"x" * 70_000, 413)]
)
def test_a_signed_message_that_says_nothing_is_refused(door: TestClient, body: bytes, code: int):
    assert door.post("/webhooks/dropbox", content=body, headers=signed(body)).status_code == code


def test_without_the_apps_secret_nothing_is_taken(client: TestClient):
    assert client.post("/webhooks/dropbox", content=MESSAGE, headers=signed(MESSAGE, "")).status_code == 404

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api_stub.app import create_app
from core.crypto import KeyRing
from core.settings import Settings, settings
from core.storage import FolderStorage
from db import connections, status, syncs
from db.engine import Database

SECRET = "of the app"
MESSAGE = json.dumps({"list_folder": {"accounts": ["dbid:mine", "dbid:unknown"]}, "delta": {"users": [1]}}).encode()


@pytest.fixture
def door(database: Database, storage: FolderStorage, config: Settings) -> Iterator[TestClient]:
    """An installation that services reach; nobody is signed in."""
    app: FastAPI = create_app(
        database, storage, config.model_copy(update={"local_mode": False, "dropbox_app_secret": SecretStr(SECRET)})
    )
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

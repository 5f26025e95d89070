from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api_stub.app import create_app
from core.local_stack.servers import Servers
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys
from db.base.accounts import UserRole, users
from tests.conftest import cloned, opened
from tests.contract.route import CALLBACK_SECRET, World


@pytest.fixture(scope="session")
def world(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for the whole contract: its tests each make the rows they ask for, and look at no others."""
    storage = FolderStorage(tmp_path_factory.mktemp("contract") / "storage")
    settings = Settings(
        local_mode=True,
        watch_owner="the-creative",
        superadmin_email="superadmin@example.com",
        redis_url="",
        coach_wait_seconds=0,
        leads_webhook_secret=SecretStr(CALLBACK_SECRET),
        _env_file=None,
    )
    with cloned(stack) as url, opened(url) as database:
        keys = {}
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for role in UserRole:
                connection.execute(users.insert().values(id=f"the-{role}", email=f"{role}@example.com", role=role))
                with database.jobs() as session:
                    keys[role] = api_keys.insert_api_key(session, user_id=f"the-{role}", name="contract")
            app = create_app(database, storage, settings)
            with TestClient(app, base_url="http://127.0.0.1:8000") as client:
                yield World(client, connection, database, storage, keys)

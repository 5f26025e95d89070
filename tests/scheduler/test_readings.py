from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core.storage import FolderStorage
from db import competitors
from db.base.competitors import SnapshotSource
from db.competitors import Change, Reading
from db.engine import Database
from db.leads import clients
from scheduler.readings import Readings

AGE = timedelta(days=90)


class Shop:
    """Readings of one competitor, oldest first, each of another page unless told."""

    def __init__(self, database: Database, storage: FolderStorage, owner: str) -> None:
        self.database, self.storage, self.owner = database, storage, owner
        with database.tenant(owner) as session:
            values = {"name": "Us", "address": "Leeds", "keyword": "cleaning"}
            self.client = clients.insert_client(session, values, user_id=owner)["id"]

    def read(self, count: int = 1, *, key: str | None = None, days_ago: int = 100) -> list[int]:
        made = []
        for _ in range(count):
            body = key or self.body()
            with self.database.tenant(self.owner) as session:
                reading = Reading("url:x", SnapshotSource.WEBSITE, "https://x", body, {"outcome": "ok"}, body)
                made.append(competitors.insert_snapshot(session, self.client, reading, user_id=self.owner)["id"])
        with self.database.engine.begin() as owner:
            statement = text("UPDATE competitor_snapshots SET captured_at = now() - :age WHERE id = ANY(:ids)")
            owner.execute(statement, {"age": timedelta(days=days_ago), "ids": made})
        return made

    def body(self) -> str:
        key = f"readings/{self.owner[:8]}/{uuid4().hex}.gz"
        with self.storage.writer(key) as file:
            file.write(b"page")
        return key

    def left(self) -> tuple[list[int], set[str]]:
        """Rows, and the keys of bytes."""
        with self.database.tenant(self.owner) as session:
            rows = session.execute(text("SELECT id FROM competitor_snapshots ORDER BY id")).scalars()
            return list(rows), set(self.storage.list_keys("readings"))

    def named(self) -> set[str]:
        with self.database.tenant(self.owner) as session:
            return set(session.execute(text("SELECT raw_body_key FROM competitor_snapshots")).scalars())

    def prune(self) -> None:
        Readings(self.database, self.storage, age=AGE).tick()


@pytest.fixture
def shop(database: Database, storage: FolderStorage, owner: str) -> Shop:
    return Shop(database, storage, owner)


def test_what_is_old_goes_with_its_bytes_and_what_is_compared_stays(shop: Shop):
    old = shop.read(3)
    newest = shop.read(competitors.COMPARED)
    shop.prune()
    rows, bodies = shop.left()
    assert (rows, len(bodies)) == (newest, len(newest))
    assert bodies == shop.named()
    assert not set(old) & set(rows)


def test_both_readings_of_a_change_stay(shop: Shop):
    before, _, after = shop.read(3)
    with shop.database.tenant(shop.owner) as session:
        change = [Change("price_changed")]
        competitors.insert_changes(session, change, before_snapshot_id=before, after_snapshot_id=after, user_id=shop.owner)
    newest = shop.read(competitors.COMPARED)
    shop.prune()
    rows, bodies = shop.left()
    assert rows == [before, after, *newest]
    assert bodies == shop.named()


def test_bytes_that_a_newer_reading_names_as_well_stay(shop: Shop):
    key = shop.body()
    shop.read(key=key)
    shop.read(competitors.COMPARED)
    newest = shop.read(key=key, days_ago=0)
    shop.prune()
    rows, bodies = shop.left()
    assert newest[0] in rows
    assert key in bodies


@pytest.mark.parametrize(("days_ago", "count"), [(89, 25), (91, 24)])
def test_readings_are_kept_for_their_time(shop: Shop, days_ago: int, count: int):
    shop.read(competitors.COMPARED + 1, days_ago=days_ago)
    shop.prune()
    assert len(shop.left()[0]) == count


def test_bytes_that_no_reading_names_go_and_what_earlier_systems_read_stays(shop: Shop):
    shop.body()
    kept = shop.read(key="snapshots/of/an/earlier/system")
    shop.read(competitors.COMPARED)
    shop.prune()
    rows, bodies = shop.left()
    assert kept[0] in rows
    assert len(bodies) == competitors.COMPARED

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import BinaryIO

import pytest

from core.errors import Refused, Transient
from core.guard import Guard, policy
from core.sandbox.run import Sandbox
from core.settings import settings
from core.storage import FolderStorage
from db import competitors, watched
from db.base.competitors import SnapshotSource
from db.engine import Database
from db.leads import clients
from pipelines import competitor_diff
from pipelines.providers.web import fetch_page, pace, robots
from scheduler.readings import Readings
from testkit import Worker, assert_enqueued
from tests.sites import Handler, say, site
from twins.running import Twins

TEXT = "We clean offices all over the town with care and our own staff since the year that we began. " * 12
PAGE = "<html><title>Ada</title><main><h1>Offices</h1><p>{}</p><h3>Basic</h3><p>{} a month</p></main></html>"


class Site:
    """What answers next, and what was asked."""

    def __init__(self) -> None:
        self.next: Handler = say(b"")
        self.asked: list[tuple[str, str | None]] = []
        self.robots: Handler = say(b"", status=404)

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        if request.path == "/robots.txt":
            self.robots(request)
            return
        self.asked.append((request.headers["User-Agent"], request.headers.get("If-None-Match")))
        self.next(request)

    def shows(self, price: str = "$19", *, text: str = TEXT, **headers: str) -> None:
        self.next = say(PAGE.format(text, price).encode(), Content_Type="text/html; charset=utf-8", **headers)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, str]]:
    monkeypatch.setenv("GUARD_ALLOWED", "127.0.0.0/8")
    monkeypatch.setattr(pace, "_LEAST_SECONDS", 0.0)
    for cached in (settings, policy.get_guard):
        cached.cache_clear()
    robots.forget()
    answers = Site()
    with site(answers) as url:
        yield answers, url
    monkeypatch.undo()
    for cached in (settings, policy.get_guard):
        cached.cache_clear()
    robots.forget()
    pace.forget()


@pytest.fixture
def read_again(worker: Worker, owner: str, shop: tuple[Site, str]) -> Callable[[], list[str]]:
    """Reads the shop; returns what is told then, newest first."""
    with worker.database.tenant(owner) as session:
        client = clients.insert_client(session, {"name": "Us", "address": "Leeds", "keyword": "cleaning"}, user_id=owner)["id"]
        row = watched.insert_competitor(
            session, client, competitor_key="url:x", source=SnapshotSource.WEBSITE, url=shop[1] + "/", name="Ada", user_id=owner
        )

    def read() -> list[str]:
        worker.perform(competitor_diff.PIPELINE, {"competitor_id": row["id"]}, owner_id=owner)
        with worker.database.tenant(owner) as session:
            return [change["summary"] for change in competitors.list_changes(session, client)]

    return read


def test_the_first_reading_tells_nothing_and_a_new_price_is_told_once(read_again: Callable, shop: tuple[Site, str]):
    shop[0].shows()
    assert read_again() == []
    shop[0].shows("$25")
    told = ["The price of Basic went from 19 USD per month to 25 USD per month."]
    assert read_again() == told
    assert read_again() == told


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (say(b"no", status=503), "error"),
        (say(b"no", status=403), "does not let us"),
        (say(b"<title>Just a moment...</title><p>Checking your browser</p>"), "does not let us"),
        (say(b"<h1>Page not found</h1>"), "no such page"),
        (say(b"<div id=root></div><script>x</script>"), "next to nothing"),
        (say(b""), "no page"),
        (say(b"\x00\x01\x02"), ""),
    ],
)
def test_after_a_reading_that_went_wrong_nothing_is_said_to_be_removed(
    read_again: Callable, shop: tuple[Site, str], bad, word: str
):
    shop[0].shows()
    read_again()
    shop[0].next = bad
    told = read_again()
    assert len(told) == 1
    assert word in told[0]
    assert read_again() == told
    shop[0].shows("$25")
    assert set(read_again()[:2]) == {
        "The price of Basic went from 19 USD per month to 25 USD per month.",
        "Ada can be read again.",
    }


def test_a_page_that_stays_small_is_believed_in_the_end(read_again: Callable, shop: tuple[Site, str]):
    shop[0].shows()
    read_again()
    for number in range(3):
        shop[0].shows(text=f"We have closed our doors for good. <!-- {number} -->")
        told = read_again()
    assert any("closed our doors" in each for each in told)


def test_what_has_not_changed_is_not_sent_again(read_again: Callable, shop: tuple[Site, str], worker: Worker):
    shop[0].shows(ETag='"one"')
    read_again()
    shop[0].next = say(b"", status=304)
    assert read_again() == []
    assert shop[0].asked == [("AskStephenBot/1.0", None), ("AskStephenBot/1.0", '"one"')]


def test_bodies_are_kept_by_their_hash_and_once(read_again: Callable, shop: tuple[Site, str], worker: Worker):
    for price in ("$19", "$25", "$19"):
        shop[0].shows(price)
        read_again()
    kept = list(worker.storage.root.rglob("*.gz"))
    assert len(kept) == 2
    assert sorted(b"$25" in gzip.decompress(path.read_bytes()) for path in kept) == [False, True]


class PrunedAtOnce(FolderStorage):
    """What is written here is pruned once before any row can name it."""

    def __init__(self, root: Path, database: Database) -> None:
        super().__init__(root)
        self._prune: Readings | None = Readings(database, self, age=timedelta(days=1))

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with super().writer(key) as file:
            yield file
        prune, self._prune = self._prune, None
        if prune is not None:
            prune.tick()


def test_bytes_that_are_pruned_while_their_reading_is_written_are_read_again(
    shop: tuple[Site, str], worker: Worker, owner: str, sandbox: Sandbox, tmp_path: Path
):
    pruned = Worker(worker.database, PrunedAtOnce(tmp_path / "storage", worker.database), sandbox, worker.scratch)
    shop[0].shows()
    with worker.database.tenant(owner) as session:
        client = clients.insert_client(session, {"name": "Us", "address": "Leeds", "keyword": "x"}, user_id=owner)["id"]
        place = competitor_diff.page(shop[1] + "/")
        row, job_id = competitor_diff.watch(session, client, place, user_id=owner)
    pruned.drain()
    job = pruned.job(job_id)
    assert (job["status"], job["attempts"][0]["outcome"]) == ("succeeded", "retrying")
    with worker.database.tenant(owner) as session:
        [reading] = competitors.list_readings(session, client, row["competitor_key"], SnapshotSource.WEBSITE)
    assert pruned.storage.size(reading["raw_body_key"])


def test_a_reader_that_changed_is_no_change_of_the_page(
    read_again: Callable, shop: tuple[Site, str], worker: Worker, owner: str
):
    shop[0].shows()
    read_again()
    with worker.database.tenant(owner) as session:
        row = competitors.competitor_snapshots
        found = session.execute(row.select()).mappings().one()
        older = {
            **found["extracted_data"],
            "version": 0,
            "facts": [],
            "blocks": [["", "", "read otherwise by an older version"]],
        }
        session.execute(row.update().values(extracted_data=older))
    shop[0].shows(text=TEXT + "<!-- x -->")
    assert read_again() == []


def test_a_site_that_asks_not_to_be_read_is_not(read_again: Callable, shop: tuple[Site, str]):
    shop[0].robots = say(b"User-agent: *\nDisallow: /")
    assert "robots.txt" in read_again()[0]
    assert shop[0].asked == []


GUEST = Guard(["127.0.0.0/8"])


def test_robots_that_cannot_be_had_are_a_no_for_now(shop: tuple[Site, str]):
    shop[0].robots = say(b"", status=500)
    with pytest.raises(Transient):
        fetch_page(shop[1], guard=GUEST)
    assert shop[0].asked == []


def test_a_site_says_when_to_come_again(shop: tuple[Site, str]):
    shop[0].next = say(b"", status=429, Retry_After="120")
    with pytest.raises(Transient) as raised:
        fetch_page(shop[1], guard=GUEST)
    assert raised.value.retry_after is not None
    assert raised.value.retry_after.total_seconds() == 120


def test_robots_that_lead_to_a_machine_of_ours_are_refused(shop: tuple[Site, str]):
    shop[0].robots = say(b"", status=302, Location="http://10.0.0.1/")
    with pytest.raises(Refused):
        fetch_page(shop[1], guard=GUEST)


def test_a_site_is_not_asked_twice_within_a_moment(shop: tuple[Site, str], monkeypatch: pytest.MonkeyPatch):
    from core.errors import Snoozed

    monkeypatch.setattr(pace, "_LEAST_SECONDS", 60.0)
    shop[0].shows()
    fetch_page(shop[1], guard=GUEST)
    with pytest.raises(Snoozed):
        fetch_page(shop[1], guard=GUEST)


CHANNEL = "UC" + "x" * 22


def put_video(twins: Twins, video: str, title: str, day: int, privacy: str = "public") -> None:
    snippet = {"channelId": CHANNEL, "channelTitle": "Ada & co", "title": title, "description": ""}
    snippet["publishedAt"] = f"2026-11-{day:02}T10:00:00Z"
    record = {"account": "ada", "video": {"id": video, "snippet": snippet, "status": {"privacyStatus": privacy}}}
    twins.put("youtube.videos", video, record)


def test_a_channel_of_youtube_is_followed_by_its_feed(
    twins: Twins, worker: Worker, owner: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GUARD_ALLOWED", "www.youtube.com")
    monkeypatch.setattr(pace, "_LEAST_SECONDS", 0.0)
    for cached in (settings, policy.get_guard):
        cached.cache_clear()
    put_video(twins, "one", "Clean <fast>", 1)
    put_video(twins, "two", "Hidden", 2, "private")
    with worker.database.tenant(owner) as session:
        client = clients.insert_client(session, {"name": "Us", "address": "Leeds", "keyword": "x"}, user_id=owner)["id"]
        place = competitor_diff.channel(CHANNEL, name="Ada")
        row, _ = competitor_diff.watch(session, client, place, user_id=owner)
    worker.drain()
    put_video(twins, "three", "Clean & slow", 3)
    for _ in range(2):
        worker.perform(competitor_diff.PIPELINE, {"competitor_id": row["id"]}, owner_id=owner)
    with worker.database.tenant(owner) as session:
        found = [change["summary"] for change in watched.list_changes(session, competitor_id=row["id"])]
    assert found == ["A new video: \u201cClean & slow\u201d."]
    monkeypatch.undo()
    for cached in (settings, policy.get_guard):
        cached.cache_clear()


def test_a_price_is_told_at_once_and_other_words_are_not(
    read_again: Callable, shop: tuple[Site, str], worker: Worker, owner: str
):
    shop[0].shows()
    read_again()
    shop[0].shows(text=TEXT + "We have moved to a larger house near the river, where everybody is welcome to visit us.")
    assert len(read_again()) == 1
    with worker.database.tenant(owner) as session:
        assert_enqueued(session, "competitor_alert", count=0)
    shop[0].shows("$25")
    read_again()
    with worker.database.tenant(owner) as session:
        assert_enqueued(session, "competitor_alert", args={"name": "Ada"}, count=1)


@pytest.mark.parametrize(("seconds", "is_kept"), [(0, False), (50, False), (70, True)])
def test_a_page_changed_a_moment_ago_is_read_whole_the_next_time(shop: tuple[Site, str], seconds: int, is_kept: bool):
    changed = formatdate(time.time() - seconds, usegmt=True)
    shop[0].shows(Last_Modified=changed)
    assert fetch_page(shop[1], guard=GUEST).last_modified == (changed if is_kept else None)

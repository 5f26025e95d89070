import base64
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.errors import Misconfigured, Refused, Unavailable
from core.guard import policy
from core.settings import settings
from db import competitors
from db.base.competitors import Severity, SnapshotSource
from db.competitors import Change, Reading
from db.engine import Database
from db.leads import clients, found, searches
from pipelines import lead_digest
from pipelines.base import enqueue
from pipelines.competitor_alert import PIPELINE as ALERT
from pipelines.lead_search import PIPELINE as SEARCH
from pipelines.providers.messages import Message, get_channel
from pipelines.providers.messages.mail import Mail
from pipelines.providers.messages.webhook import Webhook
from testkit import NotSucceeded, Worker, assert_enqueued

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
MESSAGE = Message("leads-7", "leads.found", "somebody", "ada@one.example", "1 new lead", "Ada's\n", {"searchId": 7})
PLUMBER = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield", "state": "IL"}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("ASKSTEPHEN_HOME", str(tmp_path))
    monkeypatch.setenv("GUARD_ALLOWED", "127.0.0.0/8")
    forget()
    yield
    monkeypatch.undo()
    forget()


def forget() -> None:
    settings.cache_clear()
    policy.get_guard.cache_clear()


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what is posted; `answers` come first, then 204."""

    def __init__(self) -> None:
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]] | None] = []
        super().__init__(("127.0.0.1", 0), _Post)
        self.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=hush"


class _Post(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
        answer = self.server.answers.pop(0) if self.server.answers else (204, {})
        if answer is None:  # it came, and the answer is lost
            self.close_connection = True
            return
        self.send_response(answer[0])
        for name, value in answer[1].items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


class Post(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as is needed; `refusal` is what it says to a recipient."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.heard: list[bytes] = []
        self.refusal: str | None = None
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}"


class _Smtp(socketserver.StreamRequestHandler):
    server: Post

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline():
            self.server.heard.append(line)
            word = line[:4].upper()
            if word == b"RCPT" and self.server.refusal:
                self.say(self.server.refusal)
            elif word == b"DATA":
                self.say("354 go on")
                self.server.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.say("250 kept")
            else:
                self.say("221 bye" if word == b"QUIT" else "250 fine")

    def say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


@pytest.fixture
def post() -> Iterator[Post]:
    with Post() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        return int(clients.insert_client(session, PLUMBER, user_id=owner)["id"])


def outbox(home: Path) -> list[email.message.EmailMessage]:
    files = sorted((home / "outbox").glob("*")) if (home / "outbox").is_dir() else []
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]


def test_a_scheduled_search_is_told_once_and_one_that_finds_nothing_new_tells_nothing(
    database: Database, owner: str, client: int, worker: Worker, tmp_path: Path
):
    found = worker.perform(SEARCH, {"client_id": client}, owner_id=owner)["absorb"]
    worker.drain()
    worker.perform(SEARCH, {"client_id": client}, owner_id=owner)
    worker.drain()
    with database.tenant(owner) as session:
        assert_enqueued(session, "lead_digest", count=1)
    (mail,) = outbox(tmp_path)
    assert mail["Subject"] == f"{found['new']} new leads for Our Plumbers"
    assert mail.get_content().count("\n- ") == min(found["new"], 25)


def test_who_asks_for_a_search_looks_at_it_himself(database: Database, owner: str, client: int, worker: Worker):
    with database.tenant(owner) as session:
        made = searches.insert_search(session, client, user_id=owner, keyword="plumber", geo="Springfield")["id"]
    worker.perform(SEARCH, {"client_id": client, "search_id": made}, owner_id=owner)
    with database.tenant(owner) as session:
        assert_enqueued(session, "lead_digest", count=0)


def test_a_digest_of_before_it_named_its_leads_tells_what_its_searchs_results_call_new(
    database: Database, owner: str, client: int, worker: Worker, tmp_path: Path
):
    digest = ended_search(database, owner, client)
    results = [{"leadId": lead_id, "isNew": True} for lead_id in digest.lead_ids or ()]
    with database.tenant(owner) as session:
        searches.begin_search(session, digest.search_id)
        searches.complete_search(session, digest.search_id, [*results, {"leadId": 0, "isNew": False}])
        enqueue(session, "lead_digest", {"search_id": digest.search_id}, owner_id=owner)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.jobs SET args = args - 'lead_ids'"))  # as that version wrote it
    worker.drain()
    (mail,) = outbox(tmp_path)
    assert mail["Subject"] == "1 new lead for Our Plumbers"


def test_two_jobs_about_the_same_leads_are_one_message(
    database: Database, owner: str, client: int, worker: Worker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    digest = ended_search(database, owner, client)
    by_webhook(receiver, monkeypatch)
    for _ in range(2):
        told = worker.perform(lead_digest.PIPELINE, digest, owner_id=owner)["tell_new_leads"]
    message_id = f"leads-{digest.search_id}-{min(digest.lead_ids or ())}"
    assert told == {"told": 1, "message": {"by": "webhook", "id": message_id}}
    ((headers, body),) = receiver.posted
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"k" * 32, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    said = json.loads(body)
    assert (said["type"], said["data"]["userId"], said["data"]["leads"][0]["title"]) == ("leads.found", owner, "Ada's")


def test_what_may_have_come_is_sent_again_under_the_same_id(receiver: Receiver):
    receiver.answers = [None]
    hook = Webhook(receiver.url, SECRET)
    with pytest.raises(Unavailable):
        hook.send(MESSAGE)
    assert not hook.find(MESSAGE)
    hook.send(MESSAGE)
    assert [headers["webhook-id"] for headers, _ in receiver.posted] == ["leads-7", "leads-7"]


def ended_search(database: Database, owner: str, client: int) -> lead_digest.LeadDigest:
    with database.tenant(owner) as session:
        search = searches.insert_search(session, client, user_id=owner, keyword="plumber", geo="Springfield")["id"]
        lead = {"title": "Ada's", "business_type": "partner", "partnership_score": 71}
        new = found.keep_found(session, client, [lead], user_id=owner, search_id=search)
    return lead_digest.LeadDigest(search, tuple(new))


def by_webhook(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELL_WEBHOOK_URL", receiver.url)
    monkeypatch.setenv("TELL_WEBHOOK_SECRET", SECRET)
    forget()


def test_a_webhook_that_refuses_fails_the_digest_and_tells_no_secret(
    database: Database, owner: str, client: int, worker: Worker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    by_webhook(receiver, monkeypatch)
    receiver.answers = [(410, {})]
    with pytest.raises(NotSucceeded) as failed:
        worker.perform(lead_digest.PIPELINE, ended_search(database, owner, client), owner_id=owner)
    assert "410" in str(failed.value)
    assert "hush" not in str(failed.value)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (500, {}, Unavailable),
        (429, {"Retry-After": "7"}, Unavailable),
        (302, {"Location": "/else"}, Refused),
        (404, {}, Refused),
    ],
)
def test_what_a_webhook_answers_decides(receiver: Receiver, status: int, headers: dict[str, str], error: type[Exception]):
    receiver.answers = [(status, headers)]
    with pytest.raises(error) as raised:
        Webhook(receiver.url, SECRET).send(MESSAGE)
    assert len(receiver.posted) == 1  # no redirect is followed
    if "Retry-After" in headers:
        assert raised.value.retry_after.total_seconds() == 7


def test_a_webhook_leads_to_no_address_within(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GUARD_ALLOWED", "")
    forget()
    with pytest.raises(Refused):
        Webhook(receiver.url, SECRET).send(MESSAGE)
    assert receiver.posted == []


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64, as anybody sees"])
def test_nothing_is_sent_unsigned(secret: str):
    with pytest.raises(Misconfigured):
        Webhook("https://one.example", secret)


def test_a_mail_goes_to_the_users_own_address_and_its_words_are_no_headers(post: Post):
    subject = "New: Ada\r\nBcc: everybody@two.example"
    wanted = Message("leads-7", "leads.found", "x", "ada@one.example", subject, ".\nBcc: no\n", {})
    Mail(post.url, "us@product.example").send(wanted)
    mail = email.message_from_bytes(post.mails[0], policy=email.policy.default)
    assert (mail["To"], mail["Bcc"], mail["Message-ID"]) == ("ada@one.example", None, "<leads-7@product.example>")
    assert mail["Subject"] == "New: Ada Bcc: everybody@two.example"


@pytest.mark.parametrize(("said", "error"), [("550 nobody here", Refused), ("450 later", Unavailable)])
def test_what_a_mail_server_says_decides(post: Post, said: str, error: type[Exception]):
    post.refusal = said
    with pytest.raises(error):
        Mail(post.url, "us@product.example").send(MESSAGE)


def test_a_password_is_told_to_no_server_elsewhere_that_cannot_hide_it(post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipelines.providers.messages.mail._HERE", set())  # tests reach no other machine
    mail = Mail(post.url.replace("smtp://", "smtp://ada:secret@"), "us@product.example")
    with pytest.raises(Misconfigured, match="STARTTLS"):
        mail.send(MESSAGE)
    assert [line[:4] for line in post.heard] == [b"ehlo"]


def test_without_a_webhook_and_mail_it_is_a_file(tmp_path: Path):
    channel = get_channel(settings())
    assert (channel.name, channel.find(MESSAGE)) == ("outbox", False)
    channel.send(MESSAGE)
    assert channel.find(MESSAGE)
    assert [mail["To"] for mail in outbox(tmp_path)] == ["ada@one.example"]


def test_a_change_that_matters_is_told_the_gravest_first(
    database: Database, owner: str, client: int, worker: Worker, tmp_path: Path
):
    with database.tenant(owner) as session:
        reading = Reading("url:x", SnapshotSource.WEBSITE, "https://ada.example/")
        snapshot = competitors.insert_snapshot(session, client, reading, user_id=owner)
        told = [Change("text", severity=Severity.LOW, summary="Words."), Change("price", severity=Severity.HIGH, summary="$2.")]
        competitors.insert_changes(session, told, before_snapshot_id=None, after_snapshot_id=snapshot["id"], user_id=owner)
    worker.perform(ALERT, {"snapshot_id": snapshot["id"], "name": "Ada"}, owner_id=owner)
    (mail,) = outbox(tmp_path)
    assert mail["Subject"] == "Ada: 2 changes"
    assert mail.get_content().index("$2.") < mail.get_content().index("Words.")

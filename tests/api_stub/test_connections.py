import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import UUID

import httpx
import pytest
import redis
import structlog
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from api_stub.app import create_app
from core.errors import Refused, Unavailable
from core.nudge import Nudge
from core.settings import settings
from db import api_keys
from db.base.connections import cloud_connections, user_social_accounts
from db.engine import Database
from pipelines import providers, publish
from pipelines.base import enqueue
from pipelines.providers.accounts import access_token
from testkit import Worker
from tests.accounts import choose
from tests.api_stub.conftest import bearer, is_problem, sign_in
from tests.conftest import wait_until
from tests.pipelines.looks import run_steps
from tests.pipelines.studio.films import ready_video
from tests.sites import say, site
from tests.twins.google import drive, upload
from twins.clerk import ISSUER
from twins.running import Twins

ROOT = Path(__file__).parents[2]

PROVIDERS = ["google_drive", "dropbox", "youtube"]
SITE = "https://app.example.com"
TOKENS = ("google.access_tokens", "google.refresh_tokens", "dropbox.access_tokens", "dropbox.refresh_tokens")


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[None]:
    for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "DROPBOX_APP_KEY", "DROPBOX_APP_SECRET"):
        monkeypatch.setenv(name, "client")
    monkeypatch.setenv("OAUTH_CLIENTS", '{"onedrive": {"id": "us", "secret": "hush"}}')
    monkeypatch.setenv("ASKSTEPHEN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def config(config, tmp_path):
    secret = SecretStr("client")
    told: dict[str, object] = {"google_client_id": "client", "google_client_secret": secret, "dropbox_app_key": "client"}
    told["oauth_clients"] = settings().oauth_clients
    return config.model_copy(update={**told, "dropbox_app_secret": secret, "askstephen_home": tmp_path / "home"})


def consented(client: TestClient, provider: str) -> str:
    """The address to which a person who agrees at once comes back."""
    url = client.post(f"/v1/connections/{provider}/start").json()["url"]
    return agreed(url)


def agreed(url: str) -> str:
    location = httpx.get(url).headers["location"]
    return location.partition("//")[2].partition("/")[2]


def connected(client: TestClient, provider: str) -> None:
    answer = client.get(f"/{consented(client, provider)}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text


def rows(database, owner: str, provider: str) -> list:
    of = user_social_accounts if provider == "youtube" else cloud_connections
    with database.tenant(owner) as session:
        return list(session.execute(of.select()).mappings())


@pytest.fixture
def channel(twins: Twins) -> None:
    twins.forget("youtube.quota")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_account_is_connected_and_its_tokens_open_it(client, twins: Twins, database, owner, provider, channel):
    connected(client, provider)
    [row] = rows(database, owner, provider)
    assert row["account_email"] == "owner@example.com" or row["channel_id"]
    assert row["is_active"]
    assert row["access_token"].startswith("v1:")
    assert row["refresh_token"].startswith("v1:")
    of = user_social_accounts if provider == "youtube" else cloud_connections
    assert access_token(database, row["id"], of=of).startswith("access-")


def test_no_more_is_asked_for_than_is_needed(client, twins: Twins):
    asked = {
        name: set(parse_qs(urlsplit(client.post(f"/v1/connections/{name}/start").json()["url"]).query)["scope"][0].split())
        for name in PROVIDERS
    }
    google = "https://www.googleapis.com/auth/"
    assert asked["google_drive"] == {"openid", "email", f"{google}drive.readonly"}
    assert asked["youtube"] == {"openid", "email", f"{google}youtube.upload", f"{google}youtube.force-ssl"}
    assert asked["dropbox"] == {"account_info.read", "files.metadata.read", "files.content.read"}


def test_the_same_account_again_is_the_same_row(client, twins: Twins, database, owner):
    connected(client, "dropbox")
    connected(client, "dropbox")
    assert len(rows(database, owner, "dropbox")) == 1


def test_a_state_is_good_once(client, twins: Twins):
    back = consented(client, "dropbox")
    assert client.get(f"/{back}", follow_redirects=False).status_code == 303
    assert is_problem(client.get(f"/{back}"), 401, "was used")


def test_a_state_of_another_browser_is_refused_and_used_up(app, client, twins: Twins, database, owner):
    back = consented(client, "dropbox")
    with TestClient(app, base_url="http://127.0.0.1:8000") as other:
        sign_in(other, database, owner)
        assert is_problem(other.get(f"/{back}"), 401, "another browser")
    assert is_problem(client.get(f"/{back}"), 401)
    assert rows(database, owner, "dropbox") == []


def test_a_state_comes_back_in_time_or_not_at_all(client, twins: Twins, database, owner):
    back = consented(client, "dropbox")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE oauth_states SET expires_at = now() - interval '1 second'"))
    assert is_problem(client.get(f"/{back}"), 401, "has expired")


def test_a_state_of_one_service_is_none_of_another(client, twins: Twins):
    back = consented(client, "dropbox").replace("/dropbox/", "/google_drive/")
    assert is_problem(client.get(f"/{back}"), 401)


def test_a_code_that_was_given_for_another_address_is_refused(client, twins: Twins, database, owner):
    url = client.post("/v1/connections/dropbox/start").json()["url"]
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    elsewhere = {**query, "redirect_uri": "https://evil.example.com/v1/connections/dropbox/callback"}
    back = agreed(f"https://{parts.netloc}{parts.path}?{urlencode(elsewhere)}")
    assert is_problem(client.get(f"/{back}"), 422, "begin again")
    assert rows(database, owner, "dropbox") == []


def test_who_does_not_agree_is_not_connected(client, twins: Twins, database, owner):
    state = parse_qs(urlsplit(client.post("/v1/connections/dropbox/start").json()["url"]).query)["state"][0]
    answer = client.get("/v1/connections/dropbox/callback", params={"state": state, "error": "access_denied"})
    assert is_problem(answer, 403, "nothing was connected")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_disconnected_account_is_over_here_and_there(client, twins: Twins, database, owner, provider, channel):
    connected(client, provider)
    [row] = rows(database, owner, provider)
    of = user_social_accounts if provider == "youtube" else cloud_connections
    kind = "social" if provider == "youtube" else "cloud"
    token = access_token(database, row["id"], of=of)
    assert client.delete(f"/v1/connections/{kind}/{row['id']}").json() == {"is_revoked": True}
    [row] = rows(database, owner, provider)
    assert (row["is_active"], row["access_token"], row["refresh_token"]) == (False, None, None)
    service = "dropbox" if provider == "dropbox" else "google"
    assert token not in twins.records(f"{service}.access_tokens")
    with pytest.raises(Refused, match="connect it again"):
        access_token(database, row["id"], of=of)


def test_an_account_of_somebody_else_is_not_ours_to_end(client, twins: Twins, database, owner, bela):
    connected(client, "dropbox")
    [row] = rows(database, owner, "dropbox")
    answer = client.delete(f"/v1/connections/cloud/{row['id']}", headers={"Authorization": f"Bearer {bela}"})
    assert is_problem(answer, 404)


def renewals(twins: Twins) -> int:
    return sum("/token" in str(one) for one in twins.seen("google_oauth"))


def test_of_several_that_find_a_token_over_one_renews_it(client, twins: Twins, database, owner):
    connected(client, "google_drive")
    [row] = rows(database, owner, "google_drive")
    old, before = access_token(database, row["id"]), renewals(twins)
    twins.fault("google_oauth", "slow", match="token", seconds=0.3)
    with ThreadPoolExecutor(5) as pool:
        got = list(pool.map(lambda _: access_token(database, row["id"], refused=old), range(5)))
    assert len(set(got)) == 1
    assert got[0] != old
    assert renewals(twins) == before + 1


def test_a_renewal_lost_half_way_is_done_again(client, twins: Twins, database, owner):
    connected(client, "google_drive")
    [row] = rows(database, owner, "google_drive")
    old = access_token(database, row["id"])
    twins.fault("google_oauth", "lost", match="token")
    with pytest.raises(Unavailable):
        access_token(database, row["id"], refused=old)
    assert access_token(database, row["id"], refused=old) != old


def test_a_lease_whose_holder_died_is_taken_over(client, twins: Twins, database, owner):
    connected(client, "google_drive")
    [row] = rows(database, owner, "google_drive")
    with database.jobs() as session:
        session.execute(
            text(
                "INSERT INTO jobs.token_leases VALUES "
                "('cloud_connections', :id, gen_random_uuid(), now() - interval '1 second')"
            ),
            {"id": row["id"]},
        )
    old = access_token(database, row["id"])
    assert access_token(database, row["id"], refused=old) != old


RENEWS = """
import sys
from db.engine import Database
from pipelines.providers.accounts import access_token
with Database(sys.argv[1], connections=2) as database:
    print(access_token(database, int(sys.argv[2]), refused=sys.argv[3]))
"""


def test_a_process_killed_while_it_renews_costs_no_connection(client, twins: Twins, database, database_url, owner):
    connected(client, "google_drive")
    [row] = rows(database, owner, "google_drive")
    old, before = access_token(database, row["id"]), renewals(twins)
    twins.fault("google_oauth", "slow", match="token", seconds=20)
    with subprocess.Popen([sys.executable, "-c", RENEWS, database_url, str(row["id"]), old], cwd=ROOT) as process:
        wait_until(lambda: renewals(twins) > before or process.poll() is not None)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    twins.clear_faults()
    lease = "UPDATE jobs.token_leases SET held_until = now() - interval '1 second' RETURNING 1"  # it stays: nobody gave it back
    with database.engine.begin() as connection:
        assert connection.scalar(text(lease)) == 1
    before = renewals(twins)
    with ThreadPoolExecutor(4) as pool:
        [token] = set(pool.map(lambda _: access_token(database, row["id"], refused=old), range(4)))
    assert token != old
    assert renewals(twins) == before + 1
    assert rows(database, owner, "google_drive")[0]["is_active"]
    assert access_token(database, row["id"], refused=token) != token


def test_tokens_are_written_nowhere_in_clear(client, twins: Twins, database, owner, caplog):
    with structlog.testing.capture_logs() as told:
        connected(client, "google_drive")
        [row] = rows(database, owner, "google_drive")
        old = access_token(database, row["id"])
        words = [access_token(database, row["id"], refused=old)]
        for fault in ("unavailable", "server_error", "lost"):
            twins.fault("google_oauth", fault, match="token")
            with pytest.raises(Unavailable) as raised:
                access_token(database, row["id"], refused=words[-1])
            told.append({"error": f"{raised.value!r} {raised.value.__context__!r}"})
        twins.fault("google_oauth", "revoked", match="token")
        with pytest.raises(Refused) as refused:
            access_token(database, row["id"], refused=words[-1])
        told.append({"error": repr(refused.value)})
    secrets = [*twins.records("google.access_tokens"), *twins.records("google.refresh_tokens")]
    assert len(secrets) > 2
    everything = json.dumps(told, default=repr) + caplog.text + every_row(database)
    assert [secret for secret in [old, *words, *secrets] if secret in everything] == []


def every_row(database) -> str:
    """All that is kept: args, errors and results of jobs too."""
    with database.engine.connect() as connection:
        tables = connection.scalars(
            text("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'jobs')")
        )
        return str([connection.scalar(text(f"SELECT json_agg(t)::text FROM {table} t")) for table in tables.all()])


@contextmanager
def monitored(redis_url: str) -> Iterator[list[str]]:
    """What Valkey is told within the block; whole when the block has ended."""
    told: list[str] = []
    # No time-out: a busy machine may tell nothing for longer than the client's five seconds.
    with redis.Redis.from_url(redis_url, socket_timeout=None) as client, client.monitor() as monitor:

        def listen() -> None:
            while not told or "the end" not in told[-1]:
                told.append(monitor.next_command()["command"])

        listening = threading.Thread(target=listen)
        listening.start()
        try:
            yield told
        finally:
            client.echo("the end")
            listening.join(20)


def signed_in_from_afar(database, storage, config, twins: Twins, redis_url: str) -> list[str]:
    """The secrets with which somebody came to an installation that counts its requests: a session of Clerk's, and an API key."""
    away = {"local_mode": False, "redis_url": SecretStr(redis_url), "clerk_issuer": ISSUER, "clerk_parties": SITE}
    session_token = twins.mint(sub="user_far", azp=SITE)
    with TestClient(create_app(database, storage, config.model_copy(update=away)), base_url=SITE) as far:
        assert far.get("/api/auth/user", headers=bearer(session_token)).status_code == 200
        with database.jobs() as session:
            api_key = api_keys.insert_api_key(session, user_id="user_far", name="tests")
        assert far.get("/v1/jobs", headers=bearer(api_key)).status_code == 200
        assert far.get("/v1/jobs", headers=bearer(f"{api_key}x")).status_code == 401
    return [session_token, api_key]


def put_into_dropbox(twins: Twins, name: str, path: str, content: bytes) -> None:
    from dropbox import Dropbox
    from dropbox.files import WriteMode

    client = Dropbox(twins.grant("dropbox", name, [])["access_token"], timeout=10)
    client.files_upload(content, path, mode=WriteMode.overwrite)


def looked_into(database: Database, owner: str, worker: Worker, provider: str) -> UUID:
    """The job that looked into a folder of this account, whose film is fetched."""
    [row] = rows(database, owner, provider)
    choose(database, owner, row["id"], "/Videos" if provider == "dropbox" else "root")
    with database.tenant(owner) as session:
        job_id = enqueue(session, "connection_sync", {"connection_id": row["id"]}, owner_id=owner)
    run_steps(worker, "drain", "watch", "fetch")
    return job_id


def published(database: Database, owner: str, worker: Worker, film: int) -> UUID:
    """The job that uploaded this film to the one channel."""
    with database.tenant(owner) as session:
        job_id = publish.start(session, film, user_id=owner)
    run_steps(worker, "export", "upload", "reveal")
    return job_id


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_token_is_told_to_valkey_to_a_log_or_to_a_row_while_an_account_is_at_work(
    client, twins: Twins, database, storage, config, owner, worker, channel, wire, redis_url, monkeypatch, caplog, provider
):
    """From the sign-in over the consent page and a look at a folder, or a film that is uploaded; each meets a token that is over."""
    monkeypatch.setattr(database, "_nudge", Nudge(redis_url))
    if provider == "google_drive":
        upload(drive(twins, "owner@example.com"), "a.mp4", b"a film")
    elif provider == "dropbox":
        put_into_dropbox(twins, "owner@example.com", "/Videos/a.mp4", b"a film")
    with monitored(redis_url) as told, structlog.testing.capture_logs() as lines:
        secrets = signed_in_from_afar(database, storage, config, twins, redis_url)
        connected(client, provider)
        twins.expire_tokens("dropbox" if provider == "dropbox" else "google")
        if provider == "youtube":
            job_id = published(database, owner, worker, ready_video(database, storage, owner, b"a film"))
        else:
            job_id = looked_into(database, owner, worker, provider)
        answer = client.get(f"/v1/jobs/{job_id}").text
    steps = {step["name"]: step["status"] for step in worker.job(job_id)["steps"]}
    assert steps["upload" if provider == "youtube" else "drain"] == "succeeded"
    with database.engine.connect() as connection:
        fetched = connection.scalars(text("SELECT status FROM jobs.job_steps WHERE name = 'fetch'")).all()
    assert fetched == ([] if provider == "youtube" else ["succeeded"])
    assert any("PUBLISH" in command for command in told)
    assert any("user_far" in command for command in told)
    secrets += [*client.cookies.values(), *(token for table in TOKENS for token in twins.records(table))]
    assert len(secrets) > 5
    everything = {"valkey": str(told), "log": str(lines) + caplog.text, "rows": every_row(database), "answer": answer}
    assert [(where, secret) for where, words in everything.items() for secret in secrets if secret in words] == []


def test_somebody_signs_in_with_google_and_out(database, storage, config, twins: Twins):
    app = create_app(database, storage, config.model_copy(update={"local_mode": False, "public_url": SITE}))
    with TestClient(app, base_url=SITE) as client:
        begun = client.get("/sign-in/google", follow_redirects=False)
        back = agreed(begun.headers["location"])
        answer = client.get(f"/{back}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert all(word in answer.headers["set-cookie"] for word in ("__Host-", "HttpOnly", "Secure", "SameSite=lax"))
        assert client.get("/api/auth/user").json()["email"] == "owner@example.com"
        assert is_problem(client.get(f"/{back}"), 401)
        assert client.post("/sign-out", headers={"sec-fetch-site": "cross-site"}).status_code == 403
        kept = dict(client.cookies)
        assert client.post("/sign-out", headers={"sec-fetch-site": "same-origin"}).status_code == 204
        client.cookies.update(kept)
        assert client.get("/api/auth/user").status_code == 401


def test_nobody_is_sent_back_to_a_host_that_a_request_names(database, storage, config, twins: Twins):
    app = create_app(database, storage, config.model_copy(update={"local_mode": False}))
    with TestClient(app, base_url="https://evil.example.com") as client:
        assert is_problem(client.get("/sign-in/google"), 503, "PUBLIC_URL")


NEW = """
from pipelines.providers.consent import Service, ask

def describe(token):
    said = ask("onedrive", "GET", "{url}/me", headers={"Authorization": f"Bearer {token}"})
    return {"account_id": said["id"], "account_email": said["mail"]}

ACCOUNT = Service("onedrive", "{url}/agree", "{url}/token", ("offline_access", "Files.Read"), describe)
"""


def test_accounts_of_a_new_service_need_one_new_file(client, database, owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    forms = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path == "/token":
            form = dict(parse_qsl(request.rfile.read(int(request.headers["Content-Length"])).decode()))
            forms.append((form["grant_type"], form["client_id"], form["client_secret"]))
            said = {"access_token": f"token-{len(forms)}", "refresh_token": "renew", "scope": "Files.Read", "expires_in": 3600}
        else:
            assert request.headers["Authorization"] == "Bearer token-1"
            said = {"id": "A1", "mail": "owner@example.com"}
        say(json.dumps(said).encode(), Content_Type="application/json")(request)

    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    with site(answer) as url:
        (tmp_path / "onedrive.py").write_text(NEW.replace("{url}", url))
        monkeypatch.delitem(sys.modules, "pipelines.providers.onedrive", raising=False)
        page = urlsplit(client.post("/v1/connections/onedrive/start").json()["url"])
        asked = parse_qs(page.query)
        assert (f"{page.scheme}://{page.netloc}{page.path}", asked["client_id"]) == (f"{url}/agree", ["us"])
        back = {"state": asked["state"][0], "code": "agreed"}
        assert client.get("/v1/connections/onedrive/callback", params=back, follow_redirects=False).status_code == 303
        [row] = rows(database, owner, "onedrive")
        assert (row["provider"], row["account_id"], row["account_email"]) == ("onedrive", "A1", "owner@example.com")
        assert access_token(database, row["id"], refused="token-1") == "token-2"
        assert client.delete(f"/v1/connections/cloud/{row['id']}").json() == {"is_revoked": False}
    assert forms == [("authorization_code", "us", "hush"), ("refresh_token", "us", "hush")]


def test_accounts_of_what_is_no_service_are_not_connected(client):
    assert is_problem(client.post("/v1/connections/folder/start"), 404, "dropbox, google_drive, youtube")

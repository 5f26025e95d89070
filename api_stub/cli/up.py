"""`up` and `link`."""

import argparse
import os
import socket
import sys
from functools import partial
from pathlib import Path

from api_stub.cli import ROOT, settings_of
from api_stub.cli.deaths import tell_death
from api_stub.cli.sample import take_sample
from core.crypto import KeyRing
from core.errors import Misconfigured
from core.local_stack.runner import Runner, read_procfile
from core.local_stack.servers import Servers, check_redis
from core.settings import Settings
from core.storage import open_storage
from db import migrations, users
from db.engine import Database


def up(options: argparse.Namespace) -> int:
    """Start the servers, migrate, run the Procfile until Ctrl-C."""
    config = settings_of(options)
    home, port = config.home, _port(config.port)
    database_url, redis_url = config.database_url.get_secret_value(), config.redis_url.get_secret_value()
    if redis_url:
        check_redis(redis_url)
    with Servers(home, database_url=database_url, redis_url=redis_url) as servers:
        url = servers.environment["DATABASE_URL"]
        _prepare(config, url)
        _remember(home, url, port)
        environment = {
            **os.environ,
            **servers.environment,
            "ASKSTEPHEN_HOME": str(home),
            "PORT": str(port),
            "LOCAL_MODE": "true",
            "PYTHONUNBUFFERED": "1",
        }
        procfile = (ROOT / "Procfile").read_text()
        processes = read_procfile(procfile, folder=ROOT, logs=home / "logs", environment=environment)
        print(f"AskStephen starts; its page answers in some seconds. Logs: {home / 'logs'}. Ctrl-C stops everything.")
        print(f"Videos put into {config.watched} are taken in.\nOpen {_link(url, port)}", flush=True)
        return Runner(
            servers,
            processes,
            grace_seconds=config.grace_seconds + 5,  # workers give themselves that long; the runner waits a little longer
            say=lambda words: print(words, file=sys.stderr, flush=True),
            on_death=partial(tell_death, url),
        ).run()


def _prepare(config: Settings, url: str) -> None:
    """Migrate, and make what the processes need; what is wrong with it is told here, not by each of them. Raises Misconfigured."""
    KeyRing.of(config)
    open_storage(config)
    config.watched.mkdir(parents=True, exist_ok=True)
    migrations.upgrade(url)
    with Database(url, connections=1) as database:
        if config.watch_owner:
            _require_owner(database, config.watch_owner)
        if config.sample and not config.database_url.get_secret_value():
            take_sample(database)


def _require_owner(database: Database, user_id: str) -> None:
    with database.jobs() as session:
        if not users.is_known(session, user_id):
            raise Misconfigured(f"WATCH_OWNER names user {user_id!r}, who is not there: name another, or unset it")


def link(options: argparse.Namespace) -> int:
    """Print a link for the installation that runs on this home."""
    print(new_link(settings_of(options).home))
    return 0


def new_link(home: Path) -> str:
    """A link that signs in once, to the installation that runs on this home. Raises Misconfigured."""
    return _link(*running_at(home))


def running_at(home: Path) -> tuple[str, int]:
    """DATABASE_URL and port of the installation on this home. Raises Misconfigured."""
    note = home / "run" / "up"
    if not note.exists():
        raise Misconfigured(f"nothing was started on {home} yet: run ./askstephen up")
    url, port = note.read_text().splitlines()
    return url, int(port)


def _remember(home: Path, url: str, port: int) -> None:
    note = home / "run" / "up"
    note.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{url}\n{port}\n")


def _link(url: str, port: int) -> str:
    with Database(url, connections=1) as database, database.jobs() as session:
        token = users.insert_sign_in_token(session, users.ensure_local_owner(session))
    return f"http://127.0.0.1:{port}/sign-in?token={token}"


def _port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise Misconfigured(
                f"port {wanted} cannot be had ({error.strerror}): pass --port with another one, or --port 0 for a free one"
            ) from None
        port: int = probe.getsockname()[1]
        return port

"""Fifty videos from each of Drive and Dropbox while every tenth answer is bad and workers are killed; twenty that nobody told of.

- taken in: each file of both accounts once, its bytes those that were put there, none lost, none twice; the files lie at two depths. The
  worker process is killed with -9 every few seconds. Counted besides: downloads, and those that went on in the middle of a file;
- missed: notifications of twenty more files are dropped. Measured is when each one's ingest was there, beside the sweep's bound;
- rclone, where it is installed, lists the same files with the same hashes as our rows.

Real servers, scheduler, web and worker processes, production settings but for the sweep's; the services are the twins, met by the official
clients. Steps `fetch` and `probe` run; transcoding has benchmarks of its own. The last line is JSON.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from core.local_stack.servers import Program, Servers, kill_session, stop
from core.nudge import Nudge
from core.settings import settings
from core.storage import FolderStorage
from db import users
from db.engine import Database
from db.migrations import upgrade
from pipelines.base import enqueue
from tests.accounts import MAKERS, Account, choose
from tests.twins.google import DRIVE_SCOPES
from twins.running import Twins

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "samples" / "clear.mp4"
SECRET = "of the app"
MISSED = 10  # in each account
SWEEP_SECONDS, LEASE_SECONDS, KILL_EVERY_SECONDS = 20, 5, 10.0
MOST_KILLS = 4  # what lost its worker is hinted again a minute later, so that killing on would only delay the end
DOWNLOAD = {"google_drive": "/revisions/", "dropbox": "files/download"}


def clip(number: int) -> bytes:
    """A real video that no other equals: an MP4 may end in a box that says nothing."""
    free = random.Random(number).randbytes(4096)
    return CLIP.read_bytes() + (len(free) + 8).to_bytes(4, "big") + b"free" + free


class Bench:
    """Twins, servers, and the product's processes."""

    def __init__(self, home: Path, servers: Servers, twins: Twins) -> None:
        self.home, self.twins = home, twins
        self.port = _free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "SSL_CERT_DIR"},
            **servers.environment,
            **twins.environment(),
            "PYTHONPATH": str(ROOT),
            "ASKSTEPHEN_HOME": str(home),
            "PORT": str(self.port),
            "LOCAL_MODE": "true",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "DROPBOX_APP_SECRET": SECRET,
            "SWEEP_SECONDS": str(SWEEP_SECONDS),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "LOG_LEVEL": "warning",
        }
        os.environ.update(self.environment)
        os.environ.pop("SSL_CERT_DIR", None)
        settings.cache_clear()
        upgrade(servers.environment["DATABASE_URL"])
        self.database = Database(servers.environment["DATABASE_URL"], nudge=Nudge(servers.environment["REDIS_URL"]))
        with self.database.jobs() as session:
            self.owner = users.ensure_local_owner(session)
        self.worker: subprocess.Popen[bytes] | None = None
        self.kills = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends."""
        started = [self._start(words) for words in (["api_stub"], ["scheduler"])]
        self.start_worker()
        try:
            yield
        finally:
            for process in (*started, self.worker):
                if process is not None:
                    stop(process, signal.SIGTERM, seconds=10)
                    kill_session(process)

    def start_worker(self) -> None:
        """The only one there is."""
        self.worker = self._start(["workers", "--queues", "io", "--threads", "8"])

    def kill_worker(self) -> None:
        """As the kernel does when memory is short, and start another."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            kill_session(self.worker)
        self.kills += 1
        self.start_worker()

    def _start(self, words: list[str]) -> subprocess.Popen[bytes]:
        log = self.home / "logs" / f"{words[0]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return Program(words[0], (sys.executable, "-m", *words), ROOT, log, self.environment).start()

    def files(self, account: Account) -> list[Any]:
        """Each ingest of the account: name, when it was asked for, version, key and hash of what is stored."""
        with self.database.tenant(self.owner) as session:
            return list(
                session.execute(
                    text("""
                    SELECT r.source_file_name AS name, r.source_path AS path, r.created_at, f.key, f.sha256, s.version
                    FROM video_ingest_requests r LEFT JOIN video_files f ON f.video_id = r.video_id AND f.kind = 'source'
                    LEFT JOIN jobs.seen_versions s ON (s.provider, s.source_path) = (r.provider, r.source_path)
                    WHERE r.provider = :provider ORDER BY r.id
                    """),
                    {"provider": account.provider},
                )
            )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait(holds: Callable[[], bool], *, seconds: float, every: Callable[[], object] = lambda: None) -> bool:
    """Whether it came true in time; `every` is called while it has not."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        every()
        time.sleep(0.2)
    return True


def fill(account: Account, first: int, number: int) -> dict[str, bytes]:
    """So many more files, every second one in a folder below."""
    put: dict[str, bytes] = {}
    with contextlib.suppress(OSError):  # a connection that rested is closed by the other side: the first call finds out
        account.subfolder(f"unused {first}")
    deeper = account.subfolder(f"Größe {first}")
    for each in range(first, first + number):
        name, content = f"{account.provider} {each:03} – 日本.mp4", clip(hash_of(account, each))  # noqa: RUF001
        account.put(name, content, deeper) if each % 2 else account.put(name, content)
        put[name] = content
    return put


def hash_of(account: Account, each: int) -> int:
    """A number for this file of this account only."""
    return each * 2 + (account.provider == "dropbox")


def judge(bench: Bench, account: Account, put: dict[str, bytes]) -> dict[str, Any]:
    """What came of the files that were put there."""
    storage = FolderStorage(bench.home / "storage")
    found = bench.files(account)
    times = Counter(row.name for row in found)
    stored = {row.name: storage.local(row.key).read_bytes() for row in found if row.key is not None}
    requests = [seen for seen in bench.twins.seen(account.twin) if DOWNLOAD[account.provider] in seen["request"]]
    return {
        "files": len(put),
        "taken_in": len(times),
        "twice": sum(count > 1 for count in times.values()),
        "lost": len(put.keys() - times.keys()),
        "identical": sum(stored.get(name) == content for name, content in put.items()),
        "hashes_right": sum(row.sha256 == hashlib.sha256(put[row.name]).hexdigest() for row in found if row.name in put),
        "downloads": len(requests),
        "gone_on_in_the_middle": sum("range" in seen["headers"] for seen in requests),
    }


def take_in(bench: Bench, accounts: list[Account], number: int) -> tuple[dict[str, Any], dict[str, dict[str, bytes]]]:
    """All files of both accounts under faults and kills."""
    put = {account.provider: fill(account, 0, number) for account in accounts}
    bench.twins.level(every=10, seed=7)
    began = killed_at = time.monotonic()
    for account in accounts:
        choose(bench.database, bench.owner, account.connection_id, account.folder)
        with bench.database.tenant(bench.owner) as session:
            enqueue(session, "connection_sync", {"connection_id": account.connection_id}, owner_id=bench.owner)

    def kill_now_and_then() -> None:
        nonlocal killed_at
        if bench.kills < MOST_KILLS and time.monotonic() - killed_at > KILL_EVERY_SECONDS:
            bench.kill_worker()
            killed_at = time.monotonic()

    def is_done() -> bool:
        return all(sum(row.key is not None for row in bench.files(account)) >= number for account in accounts)

    in_time = wait(is_done, seconds=420, every=kill_now_and_then)
    seconds = time.monotonic() - began
    bench.twins.clear_faults()
    faults = Counter(seen["fault"] for seen in bench.twins.seen() if seen["fault"])
    judged = {account.provider: judge(bench, account, put[account.provider]) for account in accounts}
    return {
        **judged,
        "in_time": in_time,
        "seconds": round(seconds, 1),
        "kills": bench.kills,
        "bad_answers": sum(faults.values()),
    }, put


def miss(bench: Bench, accounts: list[Account], first: int, put: dict[str, dict[str, bytes]]) -> dict[str, Any]:
    """How long files wait that nobody told of, from the moment when they were put there."""
    for account in accounts:
        bench.twins.fault(account.twin, "no_push", times=10_000, match="PUSH")
    since: dict[str, float] = {}
    for account in accounts:
        more = fill(account, first, MISSED)
        since |= dict.fromkeys(more, time.time())
        put[account.provider] |= more
    found: dict[str, float] = {}

    def all_found() -> bool:
        for account in accounts:
            found.update({row.name: row.created_at.timestamp() for row in bench.files(account) if row.name in since})
        return found.keys() == since.keys()

    wait(all_found, seconds=3 * SWEEP_SECONDS + 30)
    bench.twins.clear_faults()
    longest = max((found[name] - since[name] for name in found), default=0.0)
    return {
        "missed": len(since),
        "found": len(found),
        "longest_wait_seconds": round(longest, 1),
        "sweep_seconds": SWEEP_SECONDS,
        "within_bound": found.keys() == since.keys() and longest <= SWEEP_SECONDS + 10,
    }


def compare_with_rclone(bench: Bench, accounts: list[Account]) -> dict[str, Any]:
    """Names and hashes as an independent client lists them, beside our rows."""
    if shutil.which("rclone") is None:
        return {"rclone": "not installed (apt-get install rclone)"}
    agreed: dict[str, Any] = {}
    for account in accounts:
        kind, remote, hash_name = ("drive", "Videos", "md5") if account.twin == "drive" else ("dropbox", "Videos", "dropbox")
        service, scopes = ("google", DRIVE_SCOPES) if kind == "drive" else ("dropbox", [])
        token = {**bench.twins.grant(service, f"{account.provider}@example.com", scopes), "expiry": "2020-01-01T00:00:00Z"}
        options = ["scope = drive"] if kind == "drive" else ["batch_mode = off"]
        lines = ["[there]", f"type = {kind}", "client_id = c", "client_secret = s", f"token = {json.dumps(token)}", *options]
        config = bench.home / "rclone.conf"
        config.write_text("\n".join(lines))
        authority = str(bench.twins.home / "authority.pem")
        command = ["rclone", "--config", str(config), "--ca-cert", authority, "hashsum", hash_name, f"there:{remote}"]
        done = subprocess.run(command, env=bench.environment, capture_output=True, text=True, timeout=120, check=True)
        listed = {
            (path.rpartition("/")[2], digest) for digest, path in (line.split("  ", 1) for line in done.stdout.splitlines())
        }
        ours = {(row.name, row.version) for row in bench.files(account)}
        agreed[account.provider] = {"rclone_lists": len(listed), "same_as_our_rows": listed == ours}
    return agreed


def main() -> None:
    """Run all three, tell the figures, and fail where one is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten files from each instead of fifty")
    number = 10 if parser.parse_args().quick else 50
    with tempfile.TemporaryDirectory(prefix="askstephen-sources-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        with Servers(home / "stack") as servers, Twins(home / "twins") as twins:
            bench = Bench(home / "home", servers, twins)
            accounts = [make(twins, bench.database, bench.owner, f"{name}@example.com") for name, make in MAKERS.items()]
            with bench.running():
                wait(lambda: _is_up(bench), seconds=30)
                twins.add_webhook(f"http://127.0.0.1:{bench.port}/webhooks/dropbox", SECRET)
                taken, put = take_in(bench, accounts, number)
                print(json.dumps(taken, indent=1))
                missed = miss(bench, accounts, number, put)
                wait(lambda: all(row.key for account in accounts for row in bench.files(account)), seconds=60)
                same = compare_with_rclone(bench, accounts)
            bench.database.dispose()
            wrong = twins.complaints()
    result = {"taken_in": taken, "missed": missed, "rclone": same, "wrong_answers_of_twins": wrong}
    good = (
        taken["in_time"]
        and all(
            one["identical"] == one["hashes_right"] == one["files"] == number and one["twice"] == one["lost"] == 0
            for one in (taken[account.provider] for account in accounts)
        )
        and missed["within_bound"]
        and all(one is True for kept in same.values() if isinstance(kept, dict) for one in [kept["same_as_our_rows"]])
        and not wrong
    )
    print(json.dumps({**result, "as_promised": good}))
    sys.exit(0 if good else 1)


def _is_up(bench: Bench) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", bench.port)) == 0


if __name__ == "__main__":
    main()

"""Fifty videos from each of Drive and Dropbox while every tenth answer is bad and workers are killed; twenty that nobody told of.

- taken in: each file of both accounts once, its bytes those that were put there, none lost, none twice; the files lie at two depths, every
  fifth is large. The worker process is killed with -9 again and again, each time in the middle of a download. Counted besides: downloads,
  and those that went on in the middle of a file;
- missed: notifications of twenty more files are dropped. Measured is when each one's ingest was there, beside the sweep's bound;
- rclone, where it is installed, lists the same files with the same hashes as our rows.

Real servers, scheduler, web and worker processes, production settings but for the sweep's; the services are the twins, met by the official
clients. Steps `fetch` and `probe` run; transcoding has benchmarks of its own. Tells how far it is; where an ingest has failed, or nothing came
for two minutes, it ends and tells what each waits for. The last line is JSON.
"""

import argparse
import contextlib
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks._sources_stage import LARGE_BYTES, ROOT, SECRET, SWEEP_SECONDS, Bench, Progress, Stuck, tell, wait
from core.local_stack.servers import Servers
from core.storage import FolderStorage
from pipelines.base import enqueue
from tests.accounts import MAKERS, Account, choose
from tests.twins.google import DRIVE_SCOPES
from twins.running import Twins

CLIP = ROOT / "samples" / "clear.mp4"
MISSED = 10  # in each account
KILLS = 5  # spread over the files, each once a large download is under way
DOWNLOAD = {"google_drive": "/revisions/", "dropbox": "files/download"}


def clip(number: int, *, large: bool) -> bytes:
    """A real video that no other equals: an MP4 may end in a box that says nothing."""
    free = random.Random(number).randbytes(LARGE_BYTES if large else 4096)
    return CLIP.read_bytes() + (len(free) + 8).to_bytes(4, "big") + b"free" + free


def fill(account: Account, first: int, number: int) -> dict[str, bytes]:
    """So many more files, every second one in a folder below."""
    put: dict[str, bytes] = {}
    with contextlib.suppress(OSError):  # a connection that rested is closed by the other side: the first call finds out
        account.subfolder(f"unused {first}")
    deeper = account.subfolder(f"Größe {first}")
    for each in range(first, first + number):
        name = f"{account.provider} {each:03} – 日本.mp4"  # noqa: RUF001
        content = clip(each * 2 + (account.provider == "dropbox"), large=each % 5 == 0)
        account.put(name, content, deeper) if each % 2 else account.put(name, content)
        put[name] = content
    return put


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
    began = time.monotonic()
    for account in accounts:
        choose(bench.database, bench.owner, account.connection_id, account.folder)
        with bench.database.tenant(bench.owner) as session:
            enqueue(session, "connection_sync", {"connection_id": account.connection_id}, owner_id=bench.owner)
    progress = Progress(bench)
    while True:
        stored = {account.provider: sum(row.key is not None for row in bench.files(account)) for account in accounts}
        progress.look(sum(stored.values()), ", ".join(f"{name} {count} of {number}" for name, count in stored.items()))
        if min(stored.values()) >= number:
            break
        due = sum(stored.values()) > bench.kills * len(accounts) * number / (KILLS + 1)
        if bench.kills < KILLS and due and wait(bench.is_midway, seconds=0.2):
            bench.kill_worker()
        time.sleep(0.05)
    seconds = time.monotonic() - began
    bench.twins.clear_faults()
    faults = Counter(seen["fault"] for seen in bench.twins.seen() if seen["fault"])
    judged = {account.provider: judge(bench, account, put[account.provider]) for account in accounts}
    return {
        **judged,
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

    tell(f"{len(since)} more files of which nobody is told")
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
                wait(bench.is_up, seconds=30)
                twins.add_webhook(f"http://127.0.0.1:{bench.port}/webhooks/dropbox", SECRET)
                try:
                    taken, put = take_in(bench, accounts, number)
                except Stuck as stuck:
                    sys.exit(f"stuck: {stuck}\n" + json.dumps({"as_promised": False, "kills": bench.kills}))
                tell(json.dumps(taken))
                missed = miss(bench, accounts, number, put)
                wait(lambda: all(row.key for account in accounts for row in bench.files(account)), seconds=60)
                tell("what rclone lists is compared")
                same = compare_with_rclone(bench, accounts)
            bench.database.dispose()
            wrong = twins.complaints()
    result = {"taken_in": taken, "missed": missed, "rclone": same, "wrong_answers_of_twins": wrong}
    good = (
        taken["kills"] == KILLS
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


if __name__ == "__main__":
    main()

"""Thirty videos published to the YouTube twin under cuts, lost answers and kill -9 of the worker. Last line: one JSON object.

    ./askstephen bench publishing [--quick]

A platform of its own (`up`, with a short lease) and twins of its own, of whose answers one in ten is bad. A third of the videos is clear,
a third is flagged and a third was not checked; public is asked for all. Workers are killed again and again until all are
published: one beside the platform's own every two seconds, and its own every twenty. Judged at the twin: each content is there once, and nothing is public but what passed its check.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.crypto import KeyRing
from core.settings import Settings
from core.storage import FolderStorage
from db import connections, jobs, status, users
from db.base.videos import Privacy
from pipelines import publish
from tests.crash.soak.stage import Stage, platform
from tests.pipelines.studio.films import ready_video
from twins.running import Twins

VIDEOS = 30
SCOPES = ["https://www.googleapis.com/auth/youtube.force-ssl", "https://www.googleapis.com/auth/youtube.upload"]
CHUNK = 256 << 10
DEADLINE_SECONDS = 300
REST_SECONDS = 20  # a process that dies more often is not started again
OWNER, ACCOUNT = users.LOCAL_OWNER, "studio@example.com"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench publishing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller films and fewer kills")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    draw = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory(prefix="askstephen-twins-") as folder, Twins(Path(folder)) as twins:
        own = {"PUBLISH_CHUNK_BYTES": str(CHUNK), "GOOGLE_CLIENT_ID": "client", "GOOGLE_CLIENT_SECRET": "secret"}
        os.environ.update(twins.environment() | own)
        os.environ.pop("SSL_CERT_DIR", None)
        with platform(lease_seconds=2.0, with_small_disks=False) as stage:
            figures = _run(stage, twins, draw, pieces=(8, 20) if wanted.quick else (20, 60))
        figures["complaints"] = len(twins.complaints())
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


def _run(stage: Stage, twins: Twins, draw: random.Random, *, pieces: tuple[int, int]) -> dict[str, Any]:
    _connect(stage, twins)
    twins.level(every=10, seed=draw.randrange(1000))
    storage, began = FolderStorage(stage.home / "storage"), time.monotonic()
    passed: dict[str, bool] = {}
    job_ids = []
    for number in range(VIDEOS):
        film = draw.randbytes(draw.randint(*pieces) * CHUNK + draw.randrange(CHUNK))
        clear = (True, False, None)[number % 3]
        passed[hashlib.sha256(film).hexdigest()] = clear is True
        video_id = ready_video(stage.database, storage, OWNER, film, clear=clear, captions=None, title=f"Video {number}")
        with stage.database.tenant(OWNER) as session:
            job_ids.append(publish.start(session, video_id, user_id=OWNER, privacy=Privacy.PUBLIC))
    killed, leaks, retried, last_killed = 0, set(), 0, -float(REST_SECONDS)
    while time.monotonic() - began < DEADLINE_SECONDS:
        beside = stage.start_beside("worker")
        time.sleep(draw.uniform(1.0, 3.0))
        if time.monotonic() - began - last_killed > REST_SECONDS and (process := stage.process_of("worker")):
            os.kill(process, signal.SIGKILL)
            last_killed, killed = time.monotonic() - began, killed + 1
        if beside is not None:
            beside.kill()
            beside.wait()
            killed += 1
        leaks |= _leaks(twins, passed)
        open_jobs, lost = _look(stage, job_ids)
        retried += len(lost)
        if not open_jobs and not lost:
            break
    return _figures(twins, passed, stage, job_ids) | {
        "kills": killed,
        "retried_by_hand": retried,
        "public_without_a_passed_check": len(leaks | _leaks(twins, passed)),
        "bad_answers": sum(seen["fault"] is not None for seen in twins.seen("youtube")),
        "seconds": round(time.monotonic() - began, 1),
    }


def _connect(stage: Stage, twins: Twins) -> None:
    granted = twins.grant("google", ACCOUNT, SCOPES)
    with stage.database.tenant(OWNER) as session:
        connections.insert_account(
            session,
            KeyRing.of(Settings(askstephen_home=stage.home, secret_keys="", _env_file=None)),
            user_id=OWNER,
            platform="youtube",
            access_token=granted["access_token"],
            refresh_token=granted["refresh_token"],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )


def _look(stage: Stage, job_ids: list[Any]) -> tuple[int, list[Any]]:
    """How many have not ended; those that lost their worker too often are tried again, as an operator would."""
    with stage.database.jobs() as session:
        shown = [status.snapshot(session, job_id) for job_id in job_ids]
    lost = [one["id"] for one in shown if one["status"] == "quarantined"]
    for job_id in lost:
        with stage.database.jobs() as session:
            jobs.retry(session, job_id)
    return sum(one["finished_at"] is None for one in shown), lost


def _uploads(twins: Twins) -> list[dict[str, Any]]:
    return list(twins.records("youtube.videos").values())


def _leaks(twins: Twins, passed: dict[str, bool]) -> set[str]:
    shown = [kept for kept in _uploads(twins) if kept["video"]["status"]["privacyStatus"] != "private"]
    return {kept["sha256"] for kept in shown if not passed.get(kept["sha256"])}


def _figures(twins: Twins, passed: dict[str, bool], stage: Stage, job_ids: list[Any]) -> dict[str, Any]:
    uploads = _uploads(twins)
    times = Counter(kept["sha256"] for kept in uploads)
    public = {kept["sha256"] for kept in uploads if kept["video"]["status"]["privacyStatus"] == "public"}
    with stage.database.jobs() as session:
        shown = [status.snapshot(session, job_id) for job_id in job_ids]
    ended = Counter(one["status"] for one in shown)
    wanted = {sha256 for sha256, clear in passed.items() if clear}
    return {
        "ok": times == Counter(dict.fromkeys(passed, 1)) and public == wanted and ended == {"succeeded": VIDEOS},
        "uploads": len(uploads),
        "uploaded_twice": sum(count > 1 for count in times.values()),
        "not_uploaded": len(set(passed) - set(times)),
        "public": len(public),
        "jobs": dict(ended),
        "errors": dict(Counter(one["error"] for one in shown if one["error"])),
    }


if __name__ == "__main__":
    sys.exit(main())

"""Every operation of the API's own description, asked with what fits it and with what does not, and along its links.

    ./askstephen bench api_fuzz [--quick] [--seed N]

A web process on servers of its own; schemathesis (all checks) sends the requests, first the edges of each value, then random ones,
then sequences: what a POST answers in `Location` is read, changed and removed. Streams of events, which do not end, are left out.
The last line is JSON: the number of cases, and the failures by check.
"""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.local_stack.servers import Servers
from db import api_keys, migrations, users
from db.engine import Database

GOOD = {200, 201, 202, 204}
_FIRST_SERVER_ERROR = 500
WALK = ("POST /v1/jobs", "GET /v1/jobs/{job_id}", "POST /v1/jobs/{job_id}/cancel")
STREAMS = r"/events$"
SLOW = r"|^/ops/schema$|ai-coach$"
ALL = "examples,coverage,fuzzing,stateful"
# Both ask that a description say everything that decides whether a request is taken. Ours does not say that a provider must be configured, that a
# path must name a file, or that earlier clients may send "200" for 200. Counted, and not held against the run.
OPINIONS = frozenset({"positive_data_acceptance", "negative_data_rejection", "missing_required_header"})


class Unmeasured(Exception):
    """The tool that asks did not come to its end."""


def fuzz(
    url: str, api_key: str, folder: Path, *, seed: int, examples: int, phases: str = ALL, seconds: int = 0, but: str = ""
) -> dict[str, Any]:
    """What came of it; `seconds` bounds a phase, `but` names more to leave out. Raises Unmeasured where schemathesis itself fails."""
    report = folder / "events.ndjson"
    argv = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *("--header", f"Authorization: Bearer {api_key}", "--checks", "all", "--phases", phases),
        *("--exclude-path-regex", STREAMS + but, "--seed", str(seed), "--max-examples", str(examples), "--workers", "2"),
        *("--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--request-timeout", "20", "--no-color"),
        *("--report", "ndjson", "--report-ndjson-path", str(report), "--output-sanitize", "false"),
        *(("--max-time", str(seconds)) if seconds else ()),
    ]
    described = urllib.request.Request(f"{url}/openapi.json", headers={"Authorization": f"Bearer {api_key}"})
    urllib.request.urlopen(described).close()  # made at the first request, for which schemathesis waits ten seconds at most
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1} or not report.exists():
        raise Unmeasured(f"schemathesis ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return read_report(report)


def read_report(report: Path) -> dict[str, Any]:
    """How many cases, of how many operations; where links led and it went well; what failed: by check, with the operations."""
    cases, operations, failures, opinions = 0, set(), defaultdict(set), Counter()
    followed: Counter[str] = Counter()
    walked, server_errors = 0, 0
    with report.open() as lines:
        for line in lines:
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            cases += len(recorder.get("interactions", {}))
            operations.update(case["value"]["path"] for case in recorder.get("cases", {}).values())
            for case_id, case in recorder.get("cases", {}).items():
                status = _status(recorder, case_id)
                server_errors += status >= _FIRST_SERVER_ERROR
                if case.get("is_transition_applied") and status in GOOD:
                    followed[_name(case)] += 1
                    walked += _walk(recorder, case_id) == WALK
            for case_id, checks in recorder.get("checks", {}).items():
                for check in checks:
                    if check["status"] == "success":
                        continue
                    case = recorder["cases"][case_id]["value"]
                    if check["name"] in OPINIONS:
                        opinions[check["name"]] += 1
                    else:
                        failures[check["name"]].add(f"{case['method']} {case['path']}")
    return {
        "cases": cases,
        "paths": len(operations),
        "server_errors": server_errors,
        "links_followed": followed.total(),
        "jobs_cancelled": followed[WALK[-1]],
        "jobs_posted_read_and_cancelled": walked,
        "followed": dict(sorted(followed.items())),
        "failures": {name: sorted(where) for name, where in sorted(failures.items())},
        "opinions": dict(opinions),
    }


def _walk(recorder: Mapping[str, Any], case_id: str | None) -> tuple[str, ...]:
    """The requests that went well and led here, link by link."""
    steps: list[str] = []
    while case_id is not None and _status(recorder, case_id) in GOOD:
        case = recorder["cases"][case_id]
        steps.insert(0, _name(case))
        case_id = case.get("parent_id")
    return tuple(steps)


def _name(case: Mapping[str, Any]) -> str:
    return f"{case['value']['method']} {case['value']['path']}"


def _status(recorder: Mapping[str, Any], case_id: str) -> int:
    """What was answered; 0 where nothing was."""
    answer = recorder.get("interactions", {}).get(case_id, {}).get("response") or {}
    return int(answer.get("status_code", 0))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 random requests an operation instead of 50")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", help="not used")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="askstephen-fuzz-") as home:
        folder = Path(home)
        folder.chmod(0o711)
        with Servers(folder) as servers, Database(servers.environment["DATABASE_URL"]) as database:
            migrations.upgrade(servers.environment["DATABASE_URL"])
            with database.jobs() as session:
                key = api_keys.insert_api_key(session, user_id=users.ensure_local_owner(session), name="fuzz")
            with web_process(folder, servers.environment) as url:
                found = fuzz(url, key, folder, seed=given.seed, examples=2 if given.quick else 50)
    print(json.dumps(found))
    return 1 if found["failures"] else 0


@contextmanager
def web_process(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The address of `python -m api_stub` in local mode, over these servers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chosen = {"LOCAL_MODE": "true", "PORT": str(port), "ASKSTEPHEN_HOME": str(folder / "home"), "LOG_LEVEL": "warning"}
    web = subprocess.Popen([sys.executable, "-m", "api_stub"], env={**os.environ, **environment, **chosen})
    try:
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/livez"):
                break
            if web.poll() is not None:
                raise SystemExit(f"the web process ended: {web.returncode}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        web.terminate()
        web.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

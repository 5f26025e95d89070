"""Every operation of the API's own description, asked with what fits it and with what does not, and along its links.

    ./askstephen bench api_fuzz [--quick] [--seed N]

A web process on servers of its own; schemathesis (all checks) sends the requests, first the edges of each value, then random ones,
then sequences along links: what a POST made is read, changed and removed. Streams of events, which do not end, are left out.
The last line is JSON: the number of cases, the links followed, the jobs that links led from their POST over a reading to their
cancelling, the failures by check and operation, and the refusals that the description cannot foretell, by operation.
"""

import argparse
import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.local_stack.servers import Servers
from db import api_keys, migrations, users
from db.engine import Database

GOOD = {200, 201, 202, 204}
_FIRST_SERVER_ERROR = 500
_POST, _READ, _CANCEL = "POST /v1/jobs", "GET /v1/jobs/{job_id}", "POST /v1/jobs/{job_id}/cancel"
STREAMS = r"/events$"
SLOW = r"|^/ops/schema$|ai-coach$"
# What is asked one after the other: the phases, the paths, and of fifteen minutes how many. Among the sequences of all paths those
# of one job are rare, so they have a part of their own.
PARTS = (("examples,coverage,fuzzing", "", 8), ("stateful", "", 4), ("stateful", "^/v1/jobs", 3))
_LATER = "must be later than"
_ZONE = "there is no time zone"
_ADDRESS = "This address cannot be opened|a channel is named by"
_KEY = "Idempotency-Key was sent with another body"
_UNREADY = "no transcript|not ready to be published"
_FILE = "his file (is none of|is empty|has no name|is too large)"
_LAX = "^20"  # text for a number and a number for a yes or no are taken: earlier clients send them
# What the description does not say of an operation, by what is answered then. JSON Schema compares no two fields, knows no zone, no address and
# no picture, takes 1.0 for a whole number, and does not know what is there already. These answers are counted, and not held against the run.
UNSAID = {
    "DELETE /api/admin/users/{user_id}": "you cannot remove yourself",
    "PATCH /api/admin/users/{user_id}": "keeps an address and a role",
    "PATCH /api/videos/{video_id}": f"{_LATER}|a valid integer",
    "PATCH /api/videos/{video_id}/trim": _LATER,
    "PATCH /v1/action-plans/{row_id}": _LAX,
    "PATCH /v1/leads-clients/{row_id}": _LAX,
    "PATCH /v1/leads-search-schedules/{row_id}": f"{_ZONE}|must be a whole number",
    "PATCH /v1/time-audits/{row_id}": _LAX,
    "POST /api/ingest-requests": "cannot be asked for from",
    "POST /api/leads/clients": _LAX,
    "POST /api/leads/clients/{client_id}/search": f"{_LAX}|must name one or more of",
    "POST /api/upload": _FILE,
    "POST /api/videos/{video_id}/analyze-content-end": _UNREADY,
    "POST /api/videos/{video_id}/analyze-content-start": _UNREADY,
    "POST /api/videos/{video_id}/clips": _LATER,
    "POST /api/videos/{video_id}/confidentiality-check": _UNREADY,
    "POST /api/videos/{video_id}/generate-metadata": _UNREADY,
    "POST /api/videos/{video_id}/publish": _UNREADY,
    "POST /api/videos/{video_id}/speaker-image": _FILE,
    "POST /api/videos/{video_id}/suggest-clips": _UNREADY,
    "POST /api/videos/{video_id}/upload-thumbnail": _FILE,
    "POST /api/workbook/action-plan": _LAX,
    "POST /api/workbook/time-audit": _LAX,
    "POST /files": f"{_FILE}|this is not base64",
    "POST /v1/api-keys": _LAX,
    "POST /v1/batches": f"{_KEY}|{_LAX}",
    "POST /v1/competitors": f"{_ADDRESS}|{_ZONE}|{_LAX}",
    "POST /v1/jobs": f"{_KEY}|{_LAX}",
    "POST /v1/leads-clients": _LAX,
    "POST /v1/leads-search-schedules": f"{_ZONE}|must be a whole number",
    "POST /v1/schedules": f"{_ZONE}|{_LAX}",
    "POST /v1/videos/from-url": _ADDRESS,
    "POST /v1/videos/{video_id}/confidentiality-checks": _UNREADY,
    "PUT /ops/budgets": f"{_ZONE}|{_LAX}",
    "PUT /ops/limits": _LAX,
    "PUT /ops/pauses": f"there is no queue|{_LAX}",
    "PUT /ops/weights/{owner_id}": _LAX,
}
_ANYWHERE = "holds a character that cannot be stored"  # in text at any depth
_OPINIONS = {
    "positive_data_acceptance",
    "negative_data_rejection",
}  # the checks that ask for all that decides whether a request is taken
# Long enough that what was posted is also read, changed and removed; along the document's own links, not along names that look alike.
_SEQUENCES = """
[phases.stateful]
max-steps = 40
[phases.stateful.inference]
algorithms = []

[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 406, 409, 412, 415, 422, 423, 428]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 411, 412, 413, 415, 422, 423, 428, "5xx"]
"""


class Unmeasured(Exception):
    """The tool that asks did not come to its end."""


def ask(
    url: str,
    api_key: str,
    folder: Path,
    *,
    seed: int,
    examples: int,
    phases: str,
    seconds: int = 0,
    but: str = "",
    only: str = "",
) -> Path:
    """The report of it; `seconds` bounds it, `but` names more paths to leave out, `only` those to ask.

    Raises Unmeasured where schemathesis itself fails.
    """
    report = folder / f"{time.monotonic_ns()}.ndjson"
    (folder / "schemathesis.toml").write_text(_SEQUENCES)
    argv = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *("--header", f"Authorization: Bearer {api_key}", "--checks", "all", "--phases", phases),
        *("--exclude-path-regex", STREAMS + but, "--seed", str(seed), "--max-examples", str(examples), "--workers", "2"),
        *("--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--request-timeout", "20", "--no-color"),
        *("--report", "ndjson", "--report-ndjson-path", str(report), "--output-sanitize", "false"),
        *(("--max-time", str(seconds)) if seconds else ()),
        *(("--include-path-regex", only) if only else ()),
    ]
    described = urllib.request.Request(f"{url}/openapi.json", headers={"Authorization": f"Bearer {api_key}"})
    urllib.request.urlopen(described).close()  # made at the first request, for which schemathesis waits ten seconds at most
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1} or not report.exists():
        raise Unmeasured(f"schemathesis ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return report


def read_reports(reports: Iterable[Path]) -> dict[str, Any]:
    """How many cases, of how many operations; where links led and it went well; what failed: by check, with the operations."""
    cases, server_errors = 0, 0
    operations: set[str] = set()
    walked: set[str] = set()
    followed: Counter[str] = Counter()
    failures: defaultdict[str, Counter[str]] = defaultdict(Counter)
    unsaid: Counter[str] = Counter()
    for report in reports:
        for line in report.read_text().splitlines():
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            cases += len(recorder.get("interactions", {}))
            operations.update(case["value"]["path"] for case in recorder.get("cases", {}).values())
            for case_id, case in recorder.get("cases", {}).items():
                status = _status(recorder, case_id)
                server_errors += status >= _FIRST_SERVER_ERROR
                if case.get("is_transition_applied") and status in GOOD:
                    followed[_name(case)] += 1
                    walked |= _posted_read_and_cancelled(recorder, case_id)
            for case_id, checks in recorder.get("checks", {}).items():
                for check in checks:
                    if check["status"] == "success":
                        continue
                    name = _name(recorder["cases"][case_id])
                    if check["name"] in _OPINIONS and re.search(
                        f"{_ANYWHERE}|{UNSAID.get(name, _ANYWHERE)}", _answer(recorder, case_id)
                    ):
                        unsaid[name] += 1
                    else:
                        failures[check["name"]][name] += 1
    return {
        "cases": cases,
        "paths": len(operations),
        "server_errors": server_errors,
        "links_followed": followed.total(),
        "jobs_cancelled": followed[_CANCEL],
        "jobs_posted_read_and_cancelled": len(walked),
        "followed": dict(sorted(followed.items())),
        "failures": {name: dict(sorted(where.items())) for name, where in sorted(failures.items())},
        "unsaid": dict(unsaid.most_common()),
    }


def _posted_read_and_cancelled(recorder: Mapping[str, Any], case_id: str) -> set[str]:
    """The case that posted the job, if this is where it is cancelled and the links that led here read it; else nothing."""
    led = list(_walk(recorder, case_id))
    names = [_name(recorder["cases"][step]) for step in led]
    whole = names[0] == _CANCEL and names[-1] == _POST and _READ in names
    return {led[-1]} if whole else set()


def _walk(recorder: Mapping[str, Any], case_id: str | None) -> Iterator[str]:
    """This case and those that led to it, link by link back to the first, as far as they went well."""
    while case_id is not None and _status(recorder, case_id) in GOOD:
        yield case_id
        case_id = recorder["cases"][case_id].get("parent_id")


def _name(case: Mapping[str, Any]) -> str:
    return f"{case['value']['method']} {case['value']['path']}"


def _status(recorder: Mapping[str, Any], case_id: str) -> int:
    """What was answered; 0 where nothing was."""
    answer = recorder.get("interactions", {}).get(case_id, {}).get("response") or {}
    return int(answer.get("status_code", 0))


def _answer(recorder: Mapping[str, Any], case_id: str) -> str:
    """The status and what was said with it."""
    content = (recorder["interactions"][case_id]["response"].get("content") or {}).get("$base64", "")
    return f"{_status(recorder, case_id)} {base64.b64decode(content).decode(errors='replace')}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute, not fifteen")
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
                minute = 4 if given.quick else 60
                found = read_reports(
                    [
                        ask(url, key, folder, seed=given.seed, examples=50, phases=phases, only=only, seconds=minutes * minute)
                        for phases, only, minutes in PARTS
                    ]
                )
    print(json.dumps(found))
    return 1 if found["failures"] else 0


@contextmanager
def web_process(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The address of `python -m api_stub` in local mode, over these servers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chosen = {"LOCAL_MODE": "true", "PORT": str(port), "ASKSTEPHEN_HOME": str(folder / "home"), "LOG_LEVEL": "warning"}
    chosen["COACH_WAIT_SECONDS"] = "2"  # no worker runs, so nothing that is waited for comes
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

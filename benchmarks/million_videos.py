"""A million videos of a thousand users: how fast lists and rows are answered over HTTP, and by which plans.

    ./askstephen bench million_videos [--quick]

A web process on servers of its own, with the settings of production. Users have between none and some ten thousand videos (Zipf);
the ones that ask are the one who has most (and belongs to six companies), one in the middle, a guest of twenty companies without a
video of their own, and an administrator. The last line is JSON: the median and the 95th percentile of each request in milliseconds,
and the plan of each query in short.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from benchmarks.api_fuzz import web_process
from core.local_stack.servers import Servers
from db import api_keys, migrations
from db.base.rows import get_row, list_rows
from db.base.videos import videos
from db.engine import Database

USERS = 1000
COMPANIES = 200
FILL = (
    """
    INSERT INTO public.users (id, email, role)
    SELECT 'user' || n, 'user' || n || '@example.com', CASE n WHEN 0 THEN 'admin' ELSE 'creative' END
    FROM generate_series(0, :users - 1) n UNION ALL SELECT 'guest', 'guest@example.com', 'creative'
    """,
    # Whoever makes one is its owner; everybody is a member of one, user1 of five, and the guest, who has no videos, of twenty.
    "INSERT INTO public.companies (name, owner_id) SELECT 'Company ' || n, 'user' || n FROM generate_series(1, :companies) n",
    """
    INSERT INTO public.company_memberships (company_id, user_id, role)
    SELECT 1 + n % :companies, 'user' || n, 'member' FROM generate_series(0, :users - 1) n
    UNION ALL SELECT 10 + n, 'user1', 'member' FROM generate_series(1, 4) n
    UNION ALL SELECT 20 + n, 'guest', 'member' FROM generate_series(1, 20) n
    ON CONFLICT DO NOTHING
    """,
    # The share of user n is about 1 / (n + 10); made in an order that mixes owners, as time does. A tenth is a company's.
    """
    INSERT INTO public.videos
        (user_id, company_id, original_filename, storage_path, status, title, transcript, duration_ms, file_size, created_at)
    SELECT 'user' || k, CASE n % 10 WHEN 3 THEN 1 + k % :companies END,
        'film' || n || '.mp4', '', CASE n % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'published' ELSE 'ready_to_edit' END,
        'Film ' || n, repeat('what was said in it ', 20), 60000, 1000000, now() - n * interval '30 seconds'
    FROM generate_series(1, :videos) n CROSS JOIN LATERAL (SELECT CAST(LEAST(:users - 1, floor(
        10 * power((:users + 10) / 10.0, (CAST(n AS bigint) * 7919 % :videos) / CAST(:videos AS float)) - 10)) AS integer) k) of_user
    """,
    # Of each video what an ingest leaves: its files, and a check.
    """
    INSERT INTO public.video_files (video_id, kind, key, size_bytes, sha256)
    SELECT id, kind, 'attempts/' || md5(id::text) || '/' || kind, 1000000, md5(id::text)
    FROM public.videos CROSS JOIN unnest('{poster,mp4}'::text[]) kind
    """,
    "INSERT INTO public.confidentiality_checks (video_id, status, overall_status) SELECT id, 'completed', 'clear' FROM public.videos",
)
PLANS: dict[str, Callable[[Session], object]] = {
    "list": lambda session: list_rows(session, videos, limit=50, more=True),
    "list, a status that is rare": lambda session: list_rows(session, videos, videos.c.status == "failed", limit=50, more=True),
    "list, a status that none has": lambda session: list_rows(
        session, videos, videos.c.status == "publishing", limit=50, more=True
    ),
    "read": lambda session: get_row(session, videos, session.scalar(text("SELECT max(id) FROM videos")) or 0),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="50 000 videos and 30 requests of each kind instead of 1 000 000 and 200"
    )
    parser.add_argument("--data", help="not used")
    quick = parser.parse_args(arguments).quick
    count, rounds = (50_000, 30) if quick else (1_000_000, 200)
    with tempfile.TemporaryDirectory(prefix="askstephen-million-") as home:
        folder = Path(home)
        folder.chmod(0o711)
        with Servers(folder) as servers, Database(servers.environment["DATABASE_URL"]) as database:
            migrations.upgrade(servers.environment["DATABASE_URL"])
            filled = fill(database, count)
            people = {"most": "user1", "middle": "user300", "guest": "guest"}
            with database.jobs() as session:
                keys = {
                    user: api_keys.insert_api_key(session, user_id=user, name="bench") for user in ("user0", *people.values())
                }
            plans = {
                f"{name}, {who}": plan(database, what, user) for who, user in people.items() for name, what in PLANS.items()
            }
            with web_process(folder, servers.environment) as url:
                answers: dict[str, Any] = {}
                for who, user in people.items():
                    answers |= {f"{name}, {who}": seen for name, seen in ask(url, keys[user], rounds).items()}
                answers |= {"every video, a page": measure(url, keys["user0"], "/api/admin/all-videos?limit=50", rounds)}
    print(json.dumps({"videos": count, "fill_seconds": filled, "milliseconds": answers, "plans": plans}))
    return 0


def fill(database: Database, count: int) -> float:
    began = time.perf_counter()
    with database.engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement), {"users": USERS, "companies": COMPANIES, "videos": count})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        for line in connection.execute(text("SELECT user_id, count(*) FROM videos GROUP BY 1 ORDER BY 2 DESC LIMIT 3")):
            print(*line)
    return round(time.perf_counter() - began, 1)


def plan(database: Database, what: Callable[[Session], object], user: str) -> str:
    """The nodes of the last statement from the top, with what they cost when it was run."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, params: object, *_more: object) -> None:
        sent.append((statement, params))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.tenant(user) as session:
        what(session)
        event.remove(database.engine, "before_cursor_execute", note)
        statement, params = [each for each in sent if each[0].startswith("SELECT")][-1]
        for setting, _ in [each for each in sent if each[0].endswith("= off")]:
            session.execute(text(setting))
        asked = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement}"
        lines = [line for (line,) in session.connection().exec_driver_sql(asked, params)]
    print(statement, *lines, sep="\n")
    nodes = [line.strip().removeprefix("->").split("  (")[0].strip() for line in lines if "  (cost" in line]
    return f"{' < '.join(nodes)}; {lines[-1].strip()}"


def ask(url: str, key: str, rounds: int) -> dict[str, dict[str, float]]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30) as client:
        items = client.get("/v1/videos?limit=200").json()["items"]
        read = client.get("/api/videos")
    print(f"the whole list: {len(read.json())} videos, {len(read.content)} bytes")
    middle = items[len(items) // 2]["id"]
    return {
        "list": measure(url, key, "/v1/videos?limit=50", rounds),
        "list, a later page": measure(url, key, f"/v1/videos?limit=50&cursor={middle}", rounds),
        "list, a status that is rare": measure(url, key, "/v1/videos?limit=50&status=failed", rounds),
        "list, a status that none has": measure(url, key, "/v1/videos?limit=50&status=publishing", rounds),
        "list of earlier clients": measure(url, key, "/api/videos?limit=50", rounds),
        "list of earlier clients, whole": measure(url, key, "/api/videos", max(10, rounds // 10)),
        "row": measure(url, key, f"/v1/videos/{middle}", rounds),
        "read": measure(url, key, f"/api/videos/{middle}", rounds),
        "status": measure(url, key, f"/api/videos/{middle}/status", rounds),
    }


def measure(url: str, key: str, path: str, rounds: int) -> dict[str, float]:
    taken = []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30) as client:
        for _ in range(rounds + 5):
            began = time.perf_counter()
            client.get(path).raise_for_status()
            taken.append((time.perf_counter() - began) * 1000)
    taken = taken[5:]
    shown = {"p50": round(statistics.median(taken), 1), "p95": round(statistics.quantiles(taken, n=20)[-1], 1)}
    print(path, shown)
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

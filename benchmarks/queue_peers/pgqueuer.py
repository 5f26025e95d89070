"""PGQueuer, durable too: PostgreSQL only, jobs are coroutines, ten taken at a time; a job that is over is moved to its log.

`python -m benchmarks.queue_peers.pgqueuer` is a worker, since `pgq run` of the locked version fails at its own `--log-level`.
"""

import asyncio
import os

import psycopg
from pgqueuer import PgQueuer
from pgqueuer.db import PsycopgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.queue_peers.effect import Effect
from benchmarks.queue_peers.per_thread import PerThread

_effect = Effect()


async def _driver() -> PsycopgDriver:
    return PsycopgDriver(await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True))


async def _connect() -> Queries:
    return Queries(await _driver())


_queries = PerThread(_connect)


async def work() -> None:
    """Run jobs until killed."""
    worker = PgQueuer(await _driver())

    @worker.entrypoint("count")
    async def count(job: Job) -> None:
        await _effect(int(job.payload or b""))

    await worker.run()


def enqueue(number: int) -> None:
    _queries(lambda queries: queries.enqueue("count", str(number).encode()))


def enqueue_many(numbers: list[int]) -> None:
    payloads: list[bytes | None] = [str(number).encode() for number in numbers]
    _queries(lambda queries: queries.enqueue(["count"] * len(payloads), payloads, [0] * len(payloads)))


def prepare() -> None:
    """Its tables, in an empty database."""
    _queries(lambda queries: queries.install())


def left() -> int:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM pgqueuer").fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    asyncio.run(work())

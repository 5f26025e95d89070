"""Procrastinate, as durable as ours: PostgreSQL only. Jobs are coroutines, eight at a time; writers use its sync connector."""

import os

import psycopg
from procrastinate import App, PsycopgConnector

from benchmarks.queue_peers.effect import Effect

_URL = os.environ["DATABASE_URL"]
_effect = Effect()
app = App(connector=PsycopgConnector(conninfo=_URL, max_size=10))


@app.task(name="count")
async def count(number: int) -> None:
    await _effect(number)


def enqueue(number: int) -> None:
    count.defer(number=number)


def enqueue_many(numbers: list[int]) -> None:
    count.batch_defer(*[{"number": number} for number in numbers])


def prepare() -> None:
    """Its tables, in an empty database."""
    app.open()
    app.schema_manager.apply_schema()


def left() -> int:
    with psycopg.connect(_URL) as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')").fetchone()
    return row[0] if row else 0

"""As `count_once`, and a product row is written with the step's end."""

from dataclasses import dataclass

from sqlalchemy import text

from benchmarks.queue_peers.effect import effect
from db.jobs import Success
from pipelines.base import Pipeline, step
from pipelines.context import Context

_INSERT = text("INSERT INTO bench_rows (user_id, job_id, words) VALUES (:user_id, :job_id, :words)")


@dataclass(frozen=True, slots=True)
class CountRow:
    """Which job it is."""

    number: int


@step(queue="io")
def count(ctx: Context) -> Success:
    """Count, or note the start; and write that it was done."""
    effect(ctx.args["number"])
    return ctx.finish(
        _INSERT, {"user_id": ctx.held.owner_id, "job_id": ctx.held.job_id, "words": f"number {ctx.args['number']}"}
    )


PIPELINE = Pipeline("count_row", CountRow, (count,))

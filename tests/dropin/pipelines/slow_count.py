"""A pipeline in one file: counts slowly, from its checkpoint on, then a second step says how far it came."""

import time
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context


@dataclass(frozen=True, slots=True)
class SlowCount:
    """How far to count, and how long each number takes."""

    to: int
    pause_seconds: float = 0.05


@step(queue="io")
def count(ctx: Context) -> object:
    """Each number is a line of the log and a checkpoint."""
    start = ctx.last_checkpoint or 0
    for number in range(start, ctx.args["to"]):
        ctx.log(f"number {number}")
        ctx.checkpoint(number + 1)
        ctx.progress((number + 1) / ctx.args["to"])
        time.sleep(ctx.args["pause_seconds"])
    return {"started_at": start, "ended_at": ctx.args["to"]}


@step(queue="media")
def tell(ctx: Context) -> object:
    """Hand on what the first step returned."""
    return ctx.result("count")


PIPELINE = Pipeline("slow_count", SlowCount, (count, tell.after(count)))

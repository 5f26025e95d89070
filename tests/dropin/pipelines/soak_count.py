"""Counts, and goes on from its checkpoint."""

import time
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakCount:
    """How far to count."""

    to: int


@step(queue="io")
def count(ctx: Context) -> None:
    """Each number is a checkpoint."""
    began_at = begin(ctx)
    start = ctx.last_checkpoint or 0
    for number in range(start, ctx.args["to"]):
        ctx.checkpoint(number + 1)
        ctx.progress((number + 1) / ctx.args["to"])
        time.sleep(0.05)
    end(ctx, began_at, result={"started_at": start, "ended_at": ctx.args["to"]})


PIPELINE = Pipeline("soak_count", SoakCount, (count,))

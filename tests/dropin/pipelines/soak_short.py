"""Short work in the step's own thread."""

import time
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakShort:
    """How long it works."""

    milliseconds: int


@step(queue="io")
def work(ctx: Context) -> None:
    """Works without looking up: nothing can stop it."""
    began_at = begin(ctx)
    time.sleep(ctx.args["milliseconds"] / 1000)
    end(ctx, began_at)


PIPELINE = Pipeline("soak_short", SoakShort, (work,))

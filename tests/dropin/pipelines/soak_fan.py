"""Five parts and a join."""

import time
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakFan:
    """How many parts."""

    parts: int


@step(queue="io")
def split(ctx: Context) -> None:
    """Decide on the parts."""
    end(ctx, begin(ctx), parts=list(range(ctx.args["parts"])))


@step(queue="io")
def part(ctx: Context) -> None:
    """One of them."""
    began_at = begin(ctx)
    time.sleep(0.01)
    end(ctx, began_at)


@step(queue="ai")
def join(ctx: Context) -> None:
    """After all of them."""
    end(ctx, begin(ctx))


PIPELINE = Pipeline("soak_fan", SoakFan, (split, part.after(split, for_each=split), join.after(part)))

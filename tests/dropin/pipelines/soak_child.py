"""A sandboxed child that takes a second."""

from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakChild:
    """How long it sleeps."""

    seconds: float = 1.0


@step(queue="media")
def run(ctx: Context) -> None:
    """Start it and wait."""
    began_at = begin(ctx)
    ctx.run(["sleep", str(ctx.args["seconds"])])
    end(ctx, began_at)


PIPELINE = Pipeline("soak_child", SoakChild, (run,))

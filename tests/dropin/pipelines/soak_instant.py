"""Does nothing, and counts that."""

from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakInstant:
    """Nothing to say."""


@step(queue="web")
def instant(ctx: Context) -> None:
    """At once."""
    end(ctx, begin(ctx))


PIPELINE = Pipeline("soak_instant", SoakInstant, (instant,))

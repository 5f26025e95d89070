"""The benchmark's pipeline: an ordinary file of one step, whose effect is that of every other system's job."""

from dataclasses import dataclass

from benchmarks.queue_peers.effect import effect
from pipelines.base import Pipeline, step
from pipelines.context import Context


@dataclass(frozen=True, slots=True)
class CountOnce:
    """Which job it is."""

    number: int


@step(queue="io")
def count(ctx: Context) -> None:
    """Count, or note the start."""
    effect(ctx.args["number"])


PIPELINE = Pipeline("count_once", CountOnce, (count,))

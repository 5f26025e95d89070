"""Fails twice for a passing reason, then succeeds."""

from dataclasses import dataclass
from datetime import timedelta

from core.errors import Transient
from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end

_FAILURES = 2


@dataclass(frozen=True, slots=True)
class SoakRetry:
    """Nothing to say."""


@step(queue="io")
def stumble(ctx: Context) -> None:
    """The third attempt is the good one."""
    began_at = begin(ctx)
    if ctx.held.attempt <= _FAILURES:
        raise Transient("this was to be expected", retry_after=timedelta(seconds=0.2))
    end(ctx, began_at)


PIPELINE = Pipeline("soak_retry", SoakRetry, (stumble,))

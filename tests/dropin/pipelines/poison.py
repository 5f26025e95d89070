"""Takes its process down, or, beside one that does, only takes a while."""

import os
import signal
import time
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context


@dataclass(frozen=True, slots=True)
class Poison:
    """Whether it kills, and how long it takes."""

    kills: bool
    seconds: float


@step(queue="io")
def swallow(ctx: Context) -> None:
    """In one go: no checkpoint clears what its attempts died of."""
    time.sleep(ctx.args["seconds"])
    if ctx.args["kills"]:
        os.kill(os.getpid(), signal.SIGKILL)


PIPELINE = Pipeline("poison", Poison, (swallow,))

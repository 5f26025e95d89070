"""Goes on until it is cancelled, with a partial file."""

import time
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakStop:
    """How long it goes on if nobody cancels it: longer than any soak waits."""

    seconds: float = 600.0


@step(queue="io")
def go_on(ctx: Context) -> None:
    """Looks up twenty times a second."""
    began_at = begin(ctx)
    (ctx.folder / "partial").write_bytes(b"half of it")
    deadline = time.monotonic() + ctx.args["seconds"]
    while time.monotonic() < deadline:
        ctx.check()
        time.sleep(0.05)
    end(ctx, began_at)


PIPELINE = Pipeline("soak_stop", SoakStop, (go_on,))

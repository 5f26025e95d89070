"""What the steps of the soak leave behind: a line for every execution, and a row that commits with the step's end."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text

from core.settings import settings
from pipelines.context import Context

_ROW = text("""
INSERT INTO soak.effects (job_id, step_id, claim_id, step, part, began_at)
VALUES (:job_id, :step_id, :claim_id, :step, :part, :began_at)
""")


def begin(ctx: Context) -> datetime:
    """Append a line to a file that neither FLUSHALL nor a death can reach; returns when it was."""
    # Not the clock: of this process it may have been set wrong, and that is what is tried.
    now = datetime.fromtimestamp(float(os.environ["SOAK_BOOTED_AT"]) + time.monotonic(), UTC)
    held = ctx.held
    line = f"{held.claim_id} {held.step_id} {held.job_id} {held.step} {held.part} {now.isoformat()}\n"
    file = os.open(settings().home / "executions", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())  # one write: lines of several processes do not mix
    finally:
        os.close(file)
    return now


def end(ctx: Context, began_at: datetime, *, result: object = None, parts: Sequence[object] = ()) -> None:
    """Count the effect once, with the step's end. The table refuses no second row: the oracle looks for one."""
    held = ctx.held
    with ctx.complete(result, parts=parts) as session:
        session.execute(
            _ROW,
            {
                "job_id": held.job_id,
                "step_id": held.step_id,
                "claim_id": held.claim_id,
                "step": held.step,
                "part": held.part,
                "began_at": began_at,
            },
        )

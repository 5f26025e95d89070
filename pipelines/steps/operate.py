"""Steps that do an operator's deed: with the job core's rights, so each part of it asks again whether the owner may."""

from uuid import UUID

from db import bulk
from db.permissions import OperatorDeed
from pipelines.base import step
from pipelines.context import Context

_AT_ONCE = 50


@step(queue="io")
def act_on_jobs(ctx: Context) -> object:
    """Run again, or stop, what matches, some jobs to a transaction; goes on where it was."""
    was = ctx.last_checkpoint or {"before": None, "done": 0, "skipped": 0}
    before, done, skipped = (UUID(was["before"]) if was["before"] else None), was["done"], was["skipped"]
    with ctx.operate(OperatorDeed.MEND) as session:
        asked = bulk.get_bulk(session, ctx.args["action_id"], operator=ctx.held.owner_id)
    while True:
        with ctx.operate(OperatorDeed.MEND) as session:
            ids = bulk.list_next(session, asked, before=before, limit=_AT_ONCE)
            did, could_not = bulk.act(session, asked.deed, ids)
        if not ids:
            break
        before, done, skipped = min(ids), done + did, skipped + could_not
        ctx.checkpoint({"before": str(before), "done": done, "skipped": skipped})
        ctx.progress((done + skipped) / max(1, asked.count), f"{asked.deed}: {done} of {asked.count}")
    ctx.log(f"{asked.deed}: {done} jobs; {skipped} were no longer such that it could be done")
    return {"done": done, "skipped": skipped}

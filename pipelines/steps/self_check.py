"""Steps that show an operator whether this installation works: write a file, read it back."""

import hashlib
import os

from core.errors import Permanent
from pipelines.base import step
from pipelines.context import Context

_BLOCK = 1 << 20


@step(queue="io")
def write_sample(ctx: Context) -> object:
    """Store as many random bytes as asked for, with their hash."""
    blocks = ctx.args["mebibytes"]
    digest = hashlib.sha256()
    key = ctx.key("sample.bin")
    with ctx.storage.writer(key) as file:
        for done in range(blocks):
            block = os.urandom(_BLOCK)
            digest.update(block)
            file.write(block)
            ctx.progress((done + 1) / blocks, f"{done + 1} of {blocks} MiB written")
    ctx.log(f"wrote {blocks} MiB to storage")
    return {"key": key, "sha256": digest.hexdigest()}


@step(queue="media")
def read_sample(ctx: Context) -> object:
    """Read it back on another worker and compare."""
    written = ctx.result("write_sample")
    digest = hashlib.sha256()
    size = ctx.storage.size(written["key"])
    read = 0
    with ctx.storage.open(written["key"]) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            read += len(block)
            ctx.progress(read / size, f"{read // _BLOCK} MiB read")
    if digest.hexdigest() != written["sha256"]:
        raise Permanent("the storage gave back other bytes than were written to it: check the disk")
    ctx.storage.remove_tree(written["key"].rpartition("/")[0])
    ctx.log("storage gave back what was written")
    return {"bytes": read}

"""Writes a file, stores it, and names it in its result."""

import hashlib
import os
from dataclasses import dataclass

from pipelines.base import Pipeline, step
from pipelines.context import Context
from pipelines.soak_effects import begin, end


@dataclass(frozen=True, slots=True)
class SoakFile:
    """How large."""

    size_bytes: int = 1 << 18


@step(queue="media")
def write(ctx: Context) -> None:
    """Random bytes: by the result alone it can be told whether they are there."""
    began_at = begin(ctx)
    data = os.urandom(ctx.args["size_bytes"])
    path = ctx.folder / "bytes"
    path.write_bytes(data)
    key = ctx.key("bytes")
    ctx.storage.put(key, path)
    end(ctx, began_at, result={"key": key, "sha256": hashlib.sha256(data).hexdigest()})


PIPELINE = Pipeline("soak_file", SoakFile, (write,))

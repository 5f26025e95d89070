"""Has the bytes of a page read by a child in the sandbox."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from core.children import Limits, Run
from core.errors import ChildDied

_READER = Path(__file__).with_name("reader.py")
_LIMITS = Limits(cpu_seconds=20, memory_bytes=1 << 30, file_bytes=32 << 20, deadline_seconds=30, stall_seconds=30)


def read(
    run: Run, folder: Path, body: bytes, *, kind: Literal["page", "feed"] = "page", encoding: str | None = None
) -> Mapping[str, Any] | None:
    """What it says: see `reader.read_page`; None when it is none, or nothing that can be read within 20 s and 1 GB.

    `folder` is the attempt's. Raises as `core.children.Run` does, but for a reader that died of what it read.
    """
    source, result = folder / "body", folder / "read.json"
    source.write_bytes(body)
    source.chmod(0o644)
    result.unlink(missing_ok=True)
    argv = [sys.executable, "-I", str(_READER), kind, str(source), str(result), *([encoding] if encoding else [])]
    try:
        ended = run(argv, inputs=[_READER], limits=_LIMITS)
    except ChildDied as error:
        if error.evidence.get("reason") in {"deadline", "stall", "memory", "signal"}:
            return None
        raise
    return _checked(result) if ended.returncode == 0 else None


def _checked(result: Path) -> Mapping[str, Any] | None:
    """The child has read hostile bytes: of its answer only what has the right shape is taken."""
    try:
        with os.fdopen(os.open(result, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            found = json.loads(file.read())
        triples = {name: [[str(part) for part in each] for each in found[name]] for name in ("blocks", "facts")}
        if any(len(each) != 3 for each in triples["blocks"] + triples["facts"]):  # noqa: PLR2004
            return None
        return {
            "version": int(found["version"]),
            "title": str(found["title"]),
            **triples,
            "dates": {str(key): str(value) for key, value in found.get("dates", {}).items()},
            "scripts": int(found["scripts"]),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None

"""Which program this is: a digest of its source, so that two machines tell whether they run the same."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGES = ("core", "db", "pipelines", "workers", "scheduler", "api_stub")


@cache
def source_version() -> str:
    """Ten hex digits, the same wherever the same source runs."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for name in _PACKAGES for path in (root / name).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]

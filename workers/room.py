"""What this host has free for steps that say what they need, and what it means when there is no room at all."""

import errno
import shutil
import socket
from datetime import timedelta
from pathlib import Path

from core.errors import DiskFull, Snoozed
from core.log import get_logger
from core.storage import Storage
from db import jobs
from db.engine import Database
from pipelines.base import Step
from pipelines.context import Context

_log = get_logger(__name__)
_MEMORY = Path("/proc/meminfo")  # Linux's; elsewhere memory is not known
_GROUP = Path("/sys/fs/cgroup")
_FULL_BYTES = 64 << 20  # with less than this free a disk is full for everybody
_FULL_DELAY = timedelta(seconds=15)


class HostRoom:
    """Measured at every question."""

    def __init__(self, database: Database, scratch: Path, storage: Storage) -> None:
        self.host = socket.gethostname()
        self._database = database
        self._scratch = scratch
        self._storage = storage

    def measure(self) -> jobs.Free:
        """What is free now."""
        folder = next(path for path in (self._scratch, *self._scratch.absolute().parents) if path.exists())
        return jobs.Free(shutil.disk_usage(folder).free, _find_free_memory())

    def reserve(self, ctx: Context, step: Step) -> bool:
        """True when the attempt may begin: it needs nothing, or this host has it. Else its step was put back."""
        needs = step.needs(ctx) if callable(step.needs) else step.needs
        if needs is None:
            return True
        with self._database.jobs() as session:
            has_room = jobs.reserve(session, ctx.held, needs, host=self.host, free=self.measure())
        if not has_room:
            _log.warning("step.has_no_room", disk_bytes=needs.disk_bytes, memory_bytes=needs.memory_bytes)
        return has_room

    def explain(self, error: Exception) -> Exception:
        """What an error of an attempt means whose folder has been removed, where it met a full disk.

        A disk that is full without what this attempt wrote is not its fault: it is Snoozed. Else the attempt alone needs more than there is.
        """
        if not (isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT})):
            return error
        free = {"attempts": self.measure().disk_bytes, "storage": self._storage.free_bytes()}
        full = [name for name, free_bytes in free.items() if free_bytes is not None and free_bytes < _FULL_BYTES]
        if full:
            _log.error("disk.full", folders=full, host=self.host)
            return Snoozed(f"the disk of {' and '.join(full)} of host {self.host} is full: free some space", delay=_FULL_DELAY)
        if isinstance(error, DiskFull):
            return error
        return DiskFull(f"it needs more room than host {self.host} has on the disk of attempts or storage")


def _find_free_memory() -> int | None:
    """Of the machine, or of the container where that has less."""
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        left = int((_GROUP / "memory.max").read_text()) - int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return free
    return max(0, min(free, left))

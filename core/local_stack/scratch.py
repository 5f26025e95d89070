"""A PostgreSQL that lives as long as a block: for what must not touch a real one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.local_stack.servers import Servers


class _Alone(Servers):
    """The database server only, whatever DATABASE_URL says."""

    def _start(self) -> None:
        self.environment["DATABASE_URL"] = self._postgres()


@contextmanager
def scratch_server() -> Iterator[str]:
    """The URL of an empty server of this machine, its login the superuser; server and data are gone after the block."""
    with tempfile.TemporaryDirectory(prefix="askstephen-scratch-") as folder:
        Path(folder).chmod(0o711)  # as root, the server runs as a user that must be able to walk in
        with _Alone(Path(folder) / "home", durable=False) as server:
            yield server.environment["DATABASE_URL"]

"""The guard as an HTTP proxy on a unix socket: the only way out for a child of the sandbox that must fetch by itself."""

import contextlib
import select
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from core.errors import AskStephenError, Refused
from core.guard.policy import Guard, read_head

_CONNECTIONS = 16
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_TICK_SECONDS = 0.2
_PIECE_BYTES = 64 * 1024


class Door:
    """A context in which `path` answers CONNECT and plain `GET http://…`, each connection guarded anew.

    At most `limit_bytes` come in through all its connections together, counted while they arrive: then they are cut and
    `exceeded` is true. `refused` holds the sentences of what was not opened. A request may follow another one on its
    connection only to the same address, which was checked.
    """

    def __init__(self, guard: Guard, *, limit_bytes: int) -> None:
        self._guard = guard
        self._limit_bytes = limit_bytes
        self.arrived_bytes = 0
        self.refused: list[str] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._room = threading.Semaphore(_CONNECTIONS)
        self._threads: list[threading.Thread] = []

    @property
    def exceeded(self) -> bool:
        """Tell whether more came than may."""
        return self.arrived_bytes > self._limit_bytes

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="door"))  # a socket's path is at most 107 bytes long
        self.path = self._folder / "way"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._folder.chmod(0o711)
        self.path.chmod(0o666)  # the sandbox's user is another one; nobody else knows the folder's name
        self._listener.listen(_CONNECTIONS)
        self._listener.settimeout(_TICK_SECONDS)
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="door", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            if not self._room.acquire(timeout=_TICK_SECONDS):
                continue
            try:
                inside, _ = self._listener.accept()
            except TimeoutError:
                self._room.release()
                continue
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._start(self._serve, inside)

    def _serve(self, inside: socket.socket) -> None:
        try:
            with inside, contextlib.suppress(OSError):
                self._answer(inside)
        finally:
            self._room.release()

    def _answer(self, inside: socket.socket) -> None:
        try:
            self._lead(inside)
        except AskStephenError as error:
            if isinstance(error, Refused):
                self.refused.append(str(error))
            inside.sendall(_ending("403 Not opened" if isinstance(error, Refused) else "502 Not reached"))
        except ValueError:
            inside.sendall(_ending("400 Not understood"))

    def _lead(self, inside: socket.socket) -> None:
        """Raises Refused, Transient, ValueError, OSError."""
        inside.settimeout(_CONNECT_SECONDS)
        line, _, rest = read_head(inside).decode("latin-1").partition("\r\n")
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with self._guard.connect(host.strip("[]"), int(port), timeout=_CONNECT_SECONDS) as outside:
                inside.sendall(b"HTTP/1.1 200 Open\r\n\r\n")
                self._carry(inside, outside)
            return
        wanted = self._guard.check_url(target)
        with self._guard.connect(wanted.host, wanted.port, timeout=_CONNECT_SECONDS) as outside:
            outside.sendall(_own_head(method, target, rest).encode("latin-1"))
            inside.sendall(_closing(*read_head(outside).decode("latin-1").split("\r\n", 1)).encode("latin-1"))
            self._carry(inside, outside)

    def _carry(self, inside: socket.socket, outside: socket.socket) -> None:
        """Bytes both ways until one side ends, nothing moves for a while, or more has come than may."""
        inside.settimeout(_IDLE_SECONDS)
        outside.settimeout(_IDLE_SECONDS)
        other = {inside: outside, outside: inside}
        idle_at = time.monotonic() + _IDLE_SECONDS
        while not self._closed.is_set() and time.monotonic() < idle_at:
            for ready in select.select([inside, outside], [], [], _TICK_SECONDS)[0]:
                piece = ready.recv(_PIECE_BYTES)
                if not piece or (ready is outside and not self._has_room_for(len(piece))):
                    return
                other[ready].sendall(piece)
                idle_at = time.monotonic() + _IDLE_SECONDS

    def _has_room_for(self, size_bytes: int) -> bool:
        with self._lock:
            self.arrived_bytes += size_bytes
            return not self.exceeded


def _ending(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def _own_head(method: str, target: str, rest: str) -> str:
    """The head that the server itself is sent: with its own path."""
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _closing(f"{method} {path} HTTP/1.1", rest)


def _closing(line: str, rest: str) -> str:
    """A head that says to both sides: one request, then the connection ends. Without that, a client may send a second one in vain."""
    kept = [
        line for line in rest.split("\r\n") if line and not line.lower().startswith(("connection:", "proxy-", "keep-alive:"))
    ]
    return "\r\n".join([line, *kept, "Connection: close", "", ""])

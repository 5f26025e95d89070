"""The connections of the guarded client: opened by the guard, ended by one deadline however slowly the other side drips."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from core.errors import Transient
from core.guard.policy import Guard

_CONNECT_SECONDS = 10.0


class Backend(httpcore.NetworkBackend):
    """What httpcore connects with."""

    def __init__(self, guard: Guard, ends_at: float) -> None:
        self._guard = guard
        self._ends_at = ends_at

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Raises Refused, httpcore.ConnectError."""
        try:
            connection = self._guard.connect(host, port, timeout=_left(self._ends_at, timeout or _CONNECT_SECONDS))
        except (Transient, TimeoutError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(connection, self._ends_at)


class _Stream(httpcore.NetworkStream):
    def __init__(self, connection: socket.socket, ends_at: float) -> None:
        self._connection = connection
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._connection.settimeout(_left(self._ends_at, timeout))
            return self._connection.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(_SLOW) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._connection.settimeout(_left(self._ends_at, timeout))
            self._connection.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(_SLOW) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._connection.settimeout(_left(self._ends_at, timeout))
            self._connection = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except OSError as error:  # ssl.SSLError and time-outs are
            self.close()
            raise httpcore.ConnectError(str(error)) from error
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  (httpcore's)
        if info == "is_readable":
            return False  # a kept connection is assumed to be alive; a dead one is a ReadError
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()


def _left(ends_at: float, timeout: float | None) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError(_SLOW)
    return left if timeout is None else min(left, timeout)


_SLOW = "it took longer than it may"

"""The way to the twins: a CONNECT proxy that knows their host names and refuses every other one."""

import asyncio
from collections.abc import Container

_LONGEST_HEAD_BYTES = 16_384


class HostProxy:
    """Leads `CONNECT known.name:443` to the twins' port. What is refused is kept in `refused`: nothing leaves the machine."""

    def __init__(self, hosts: Container[str], port: int) -> None:
        self._hosts = hosts
        self._port = port
        self.refused: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            host = target.rsplit(":", 1)[0]
            if method != "CONNECT" or host not in self._hosts:
                self.refused.append(target)
                writer.write(
                    f"HTTP/1.1 403 {host} has no twin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("latin-1")
                )
                return
            twin_reader, twin_writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_pump(reader, twin_writer), _pump(twin_reader, writer))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
            pass  # a client that went away or spoke no HTTP
        finally:
            writer.close()


async def start_proxy(proxy: HostProxy, port: int) -> asyncio.Server:
    """Listen on a loopback port; 0 takes a free one."""
    return await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=_LONGEST_HEAD_BYTES)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way; the end, or a break, is handed on."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

"""Links between a process and a server: unix sockets whose bytes pass, late, not at all, or until they are cut."""

import asyncio
import threading
from pathlib import Path


class Link:
    """One of them. All but what is awaited is called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, at: Path, target: Path) -> None:
        self._loop = loop
        self._at, self._target = at, target
        self._delay_seconds = 0.0
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    async def serve(self) -> None:
        self._at.parent.mkdir(parents=True)
        self._server = await asyncio.start_unix_server(self._join, self._at)

    async def stop(self) -> None:
        self._server.close()
        for end in list(self._ends):
            end.transport.abort()

    def slow_down(self, seconds: float) -> None:
        """From now on each piece comes so much later."""
        self._delay_seconds = seconds

    def stall(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def cut(self) -> None:
        """What is on the way is lost, and until `mend` nobody gets a new connection."""

        self._refuses = True  # now: `mend` may follow at once

        def close_all() -> None:
            for end in list(self._ends):
                end.transport.abort()

        self._loop.call_soon_threadsafe(close_all)

    def mend(self) -> None:
        """As at first."""
        self._refuses, self._delay_seconds = False, 0.0
        self._loop.call_soon_threadsafe(self._passes.set)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            if not self._refuses:
                far_reader, far_writer = await asyncio.open_unix_connection(self._target)
                self._ends.add(far_writer)
                try:
                    ways = [asyncio.create_task(self._pass(*way)) for way in ((reader, far_writer), (far_reader, writer))]
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
                finally:
                    self._close(far_writer)
        except OSError:
            pass  # the server is away: who asked sees the connection end
        finally:
            self._close(writer)

    def _close(self, end: asyncio.StreamWriter) -> None:
        self._ends.discard(end)
        end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._passes.wait()
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            writer.write(data)
            await writer.drain()


class Links:
    """Those of one stage, in one thread: `at[process, server]`."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, str], Link] = {}
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)
        self._thread.start()

    def open(self, process: str, server: str, at: Path, target: Path) -> None:
        link = self.at[process, server] = Link(self._loop, at, target)
        asyncio.run_coroutine_threadsafe(link.serve(), self._loop).result()

    def close(self) -> None:
        """Everything ends, and the thread with it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # ends what is left, and closes the loop
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._over.wait()
        for link in self.at.values():
            await link.stop()

"""A client of a system that only speaks asyncio, for a thread that does not: a loop and a connection for each thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Client = TypeVar("Client")


class PerThread(threading.local, Generic[Client]):
    """Connects at the first use in a thread."""

    def __init__(self, connect: Callable[[], Coroutine[Any, Any, Client]]) -> None:
        self._connect = connect
        self._runner = asyncio.Runner()
        self._client: Client | None = None

    def __call__(self, deed: Callable[[Client], Any]) -> Any:  # noqa: ANN401  (what the deed's coroutine returns)
        """Run what `deed` makes of this thread's client."""
        return self._runner.run(self._do(deed))

    async def _do(self, deed: Callable[[Client], Any]) -> Any:  # noqa: ANN401
        if self._client is None:
            self._client = await self._connect()
        return await deed(self._client)

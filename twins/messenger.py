"""Notifications to those who asked for them, in the background: best effort, as the services promise no more."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

log = logging.getLogger("twins")
_PAUSES_SECONDS = (0.0, 0.5, 2.0)


class Messenger:
    """POSTs each message, up to three times; at most eight wait on slow receivers at once."""

    def __init__(self, authorities: Path) -> None:
        self._client = httpx.AsyncClient(verify=_context(authorities), trust_env=False, timeout=10)
        self._under_way: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(8)

    def send(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        """Returns at once. What is under way when the twins are killed is lost."""
        task = asyncio.get_running_loop().create_task(self._deliver(address, headers, body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def echoes(self, address: str, challenge: str) -> bool:
        """Whether an address answers a challenge with itself, as who owns it would."""
        try:
            answer = await self._client.get(address, params={"challenge": challenge})
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK and answer.text == challenge

    async def _deliver(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        for pause in _PAUSES_SECONDS:
            await asyncio.sleep(pause)
            try:
                async with self._turn:
                    answer = await self._client.post(address, headers=dict(headers), content=body)
            except httpx.HTTPError as wrong:
                log.warning("push to %s: %s", address, wrong)
                continue
            if not answer.is_server_error:
                return


def _context(authorities: Path) -> ssl.SSLContext:

    return ssl.create_default_context(cafile=str(authorities))

"""The process of all twins: one TLS port, one proxy, one thread, so that no twin needs a lock."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from twins.address import Address, keep_address, read_address
from twins.authority import Authority
from twins.base import Twin
from twins.clerk import Clerk
from twins.control import Control
from twins.door import Door, Notes
from twins.dropbox.api import Dropbox
from twins.dropbox.webhooks import Webhooks
from twins.faults import Faults
from twins.google.drive import Drive
from twins.google.feeds import YouTubeFeeds
from twins.google.oauth import GoogleOAuth
from twins.google.places import Places
from twins.google.push import Channels
from twins.google.youtube import YouTube
from twins.messenger import Messenger
from twins.oauth import Tokens
from twins.openai.api import OpenAI
from twins.proxy import HostProxy, start_proxy
from twins.store import Store
from twins.workflow import Workflow

HOSTS = frozenset(
    host
    for twin in (GoogleOAuth, Drive, YouTube, YouTubeFeeds, Places, Dropbox, OpenAI, Clerk, Workflow)
    for host in twin.hosts
)
_GOOGLE_TOKEN_SECONDS, _DROPBOX_TOKEN_SECONDS = 3600, 14_400


async def serve(home: Path) -> None:
    """Serve from a folder that is there, until SIGTERM or SIGINT."""
    authority = Authority(home)
    authority.ensure(HOSTS)
    before = read_address(home)
    listener = socket.create_server(("127.0.0.1", before.port), backlog=512)
    port: int = listener.getsockname()[1]
    proxy = HostProxy(HOSTS, port)
    store = Store(home)
    application = _application(store, proxy, authority)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=_Breakable,
            ssl_certfile=authority.certificate,
            ssl_keyfile=authority.key,
            lifespan="off",
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    proxying = await start_proxy(proxy, before.proxy_port)
    address = Address(port, proxying.sockets[0].getsockname()[1], os.getpid())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    keep_address(home, address)
    await serving
    proxying.close()
    store.close()


def _application(store: Store, proxy: HostProxy, authority: Authority) -> Door:
    faults, notes, messenger = Faults(store), Notes(), Messenger(authority.bundle)
    google = Tokens(store, "google", lifetime_seconds=_GOOGLE_TOKEN_SECONDS)
    dropbox = Tokens(store, "dropbox", lifetime_seconds=_DROPBOX_TOKEN_SECONDS)
    tokens: Mapping[str, Tokens] = {"google": google, "dropbox": dropbox}
    webhooks = Webhooks(store, faults, messenger)
    clerk = Clerk(store)
    twins: Sequence[Twin] = [
        GoogleOAuth(google),
        Drive(store, google, Channels(store, faults, messenger)),
        YouTube(store, google),
        YouTubeFeeds(store),
        Places(store, google),
        Dropbox(store, dropbox, webhooks),
        OpenAI(store),
        clerk,
        Workflow(store, messenger),
    ]
    control = Control(
        store=store, twins=twins, tokens=tokens, faults=faults, notes=notes, proxy=proxy, clerk=clerk, webhooks=webhooks
    )
    return Door(twins, faults, notes, control.app())


class _Breakable(HttpToolsProtocol):
    """Hands every request the means to break its connection: a fault on the way."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "break_connection": transport.abort, "end_connection": transport.close}

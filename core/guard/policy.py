"""What may be reached, and the only place that opens a connection to it: to the very address that was checked.

The address rules, the resolving and the pinned connect are ssrfguard's (decision 0018).
"""

import socket
from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

import ssrfguard
from ssrfguard import BlockedAddressError, BlockedURLError, Policy, Resolver, Target

from core.errors import Misconfigured, Refused, Transient
from core.settings import settings

_EVERY_PORT = frozenset(range(1, 65536))
_LONGEST_HEAD_BYTES = 16_384
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class Guard:
    """Decides by host and port, and connects.

    `allowed` are host names and networks that the operator trusts, as the setting GUARD_ALLOWED has them: their ports and
    addresses are not looked at, and what is trusted by name is reached through HTTPS_PROXY where there is one. Everything
    else is reached directly: a proxy resolves the name anew, so that nothing could be said of the address.
    """

    def __init__(self, allowed: Iterable[str] = (), *, resolve: Resolver | None = None) -> None:
        self._names: set[str] = set()
        self._networks: list[Network] = []
        for entry in allowed:
            self._allow(entry.strip().lower())
        self._resolve = resolve
        self._strict = Policy()

    def _allow(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry))
        except ValueError:
            if not entry or "/" in entry or ":" in entry:
                raise Misconfigured(f"GUARD_ALLOWED holds {entry!r}, which is neither a host name nor a network") from None
            self._names.add(entry)

    def check_url(self, url: str) -> Target:
        """What the URL names, if its words may be followed; its addresses are looked at when connecting. Raises Refused."""
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            host = ""
        try:
            return self._policy(host).check_url(url)
        except (BlockedURLError, BlockedAddressError) as error:
            raise _refused(error) from None

    def connect(self, host: str, port: int, *, timeout: float) -> socket.socket:
        """A connection to `host`, whose address was looked up once, checked, and is the one connected to.

        `timeout` seconds for each of at most four addresses. Raises Refused, Transient.
        """
        if self._is_trusted_name(host) and (proxy := _proxy()):
            return _through(proxy, host, port, timeout)
        policy = self._policy(host)
        try:
            target = policy.check_url(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
            return ssrfguard.connect(
                ssrfguard.resolve(target, policy=policy, resolver=self._resolve), policy=policy, timeout=timeout
            )
        except (BlockedURLError, BlockedAddressError) as error:
            raise _refused(error) from None
        except socket.gaierror as error:
            if error.errno in _NO_SUCH_NAME:
                raise Refused(f"There is no site called {host}. Please check the address.") from None
            raise Transient(f"the name {host} could not be looked up: {error.strerror}") from error
        except OSError as error:
            raise Transient(f"{host} could not be reached: {error}") from error

    def _policy(self, host: str) -> Policy:
        """Ports are open where the operator trusts the host, and only there."""
        if self._is_trusted_name(host):
            return Policy(allowed_ports=_EVERY_PORT, allowed_networks=("0.0.0.0/0", "::/0"))  # type: ignore[arg-type]
        address = _as_address(host)
        networks = [each for each in self._networks if address is not None and address in each]
        if networks:
            return Policy(allowed_ports=_EVERY_PORT, allowed_networks=tuple(networks))
        return self._strict

    def _is_trusted_name(self, host: str) -> bool:
        return host.lower().rstrip(".") in self._names


def _as_address(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _refused(error: BlockedURLError | BlockedAddressError) -> Refused:
    if isinstance(error, BlockedAddressError):
        return Refused(f"This address leads to a network that is not public ({error.reason}), so it is not opened.")
    return Refused(f"This address cannot be opened: {error.reason}.")


def _proxy() -> tuple[str, int] | None:
    parts = urlsplit(getproxies().get("https", ""))
    return (parts.hostname, parts.port or 80) if parts.hostname else None


def _through(proxy: tuple[str, int], host: str, port: int, timeout: float) -> socket.socket:
    """A connection that the proxy of the environment made. Raises Transient."""
    try:
        connection = socket.create_connection(proxy, timeout=timeout)
        try:
            connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode("idna"))
            head = read_head(connection)
        except BaseException:
            connection.close()
            raise
    except (OSError, ValueError) as error:
        raise Transient(f"{host} could not be reached through the proxy: {error}") from error
    if head.split(b" ", 2)[1:2] != [b"200"]:
        connection.close()
        raise Transient(f"the proxy does not lead to {host}")
    return connection


def read_head(connection: socket.socket) -> bytes:
    """All up to the empty line, and not a byte more. Raises ValueError when it is too long or ends early, OSError."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(head) >= _LONGEST_HEAD_BYTES:
            raise ValueError("the head of a message is cut off or too long")
        head += byte
    return bytes(head)


@cache
def get_guard() -> Guard:
    """The guard of this process, as the settings say. Raises Misconfigured."""
    return Guard(filter(None, settings().guard_allowed.split(",")))


def check_url(url: str) -> str:
    """The URL, if it may be followed as it is written: a web address of a public host. Raises Refused with a sentence for its owner."""
    get_guard().check_url(url)
    return url

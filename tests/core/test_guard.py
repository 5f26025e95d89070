import contextlib
import gzip
import http.server
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured, Refused, Transient
from core.guard import Guard, fetch
from core.guard.doors import Door
from tests.sites import say, site

LOCAL = Guard(["127.0.0.0/8"])
STRICT = Guard()
NOT_PUBLIC = [
    *map(ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")),
    *map(ip_network, ("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fc00::/7", "fe80::/10")),
    *map(ip_network, ("ff00::/8", "fec0::/10", "::ffff:7f00:0/104", "64:ff9b::a00:0/104", "2002:7f00::/24")),
]


def opened(guard: Guard, url: str) -> None:
    target = guard.check_url(url)
    guard.connect(target.host, target.port, timeout=1).close()


def looked_up(*addresses: str) -> Callable[..., list[object]]:
    """A resolver that gives one answer after the other, the last one for ever."""
    left = list(addresses)

    def resolve(host: str, port: int, *_: object) -> list[object]:
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0) if ":" in address else (address, port))]

    return resolve


@given(st.sampled_from(NOT_PUBLIC).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_address_of_a_network_that_is_not_public_is_opened_under_any_name(address: IPv4Address | IPv6Address) -> None:
    guard = Guard(resolve=looked_up(str(address)))
    with pytest.raises(Refused, match="not public"):
        guard.connect("innocent.example.com", 443, timeout=1)


@given(st.sampled_from(NOT_PUBLIC).flatmap(lambda network: st.ip_addresses(network=network)), st.integers(0, 3))
def test_no_notation_of_such_an_address_passes(address: IPv4Address | IPv6Address, form: int) -> None:
    number = int(address)
    if address.version == 6:
        host = f"[{address.exploded if form % 2 else address.compressed}]"
    else:
        parts = str(address).split(".")
        host = [str(address), str(number), hex(number), ".".join(f"0{int(part):o}" for part in parts)][form]
    with pytest.raises(Refused):
        opened(STRICT, f"http://{host}/")


@given(st.ip_addresses(network=ip_network("8.0.0.0/8")))
def test_a_public_address_may_be_named(address: IPv4Address) -> None:
    assert STRICT.check_url(f"https://{address}/").port == 443


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/x", "javascript:alert(1)", "//example.com/", "", "http://",
        "http://example.com:22/", "http://user:word@example.com/", "http://example.com@127.0.0.1/", "http://example.com\\@127.0.0.1/",
        "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://①②⑦.⓪.⓪.①/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://169.254.169.254/latest/meta-data", "http://[fe80::1%25lo]/",
        "http://exa\nmple.com/", "http://example.com\r\nHost: x/", "http://[/", "http://localhost./",
    ],
)  # fmt: skip
def test_words_that_lead_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        opened(STRICT, url)


@given(st.text(max_size=60))
def test_whatever_is_written_is_refused_or_named(text: str) -> None:
    with contextlib.suppress(Refused):
        assert STRICT.check_url(f"http://{text}").host


def test_a_name_with_one_private_answer_among_public_ones_is_refused() -> None:
    def resolve(_host: str, port: int, *_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("93.184.215.14", "10.0.0.1")]

    with pytest.raises(Refused):
        Guard(resolve=resolve).connect("mixed.example.com", 443, timeout=1)


def test_a_name_that_moves_after_it_was_checked_moves_nothing() -> None:
    """Looked up twice, the first connection would go to loopback, which tests may reach."""
    with pytest.raises(PermissionError, match=r"93\.184\.215\.14"), _unwrapped():
        Guard(resolve=looked_up("93.184.215.14", "127.0.0.1")).connect("rebinding.example.com", 443, timeout=1)


@contextlib.contextmanager
def _unwrapped() -> Iterator[None]:
    try:
        yield
    except Transient as error:
        raise error.__cause__.__cause__ or error from None  # type: ignore[union-attr, misc]


def test_a_redirect_to_what_is_not_public_is_refused() -> None:
    with site(say(b"", status=302, Location="http://169.254.169.254/latest/meta-data/")) as url, pytest.raises(Refused):
        fetch(url, guard=LOCAL)


def test_redirects_have_an_end() -> None:
    with site(say(b"", status=302, Location="/again")) as url, pytest.raises(Refused, match="redirected more than 5"):
        fetch(url, guard=LOCAL)


def test_what_is_there_arrives_whatever_its_status() -> None:
    with site(say(b"gone", status=410, X_Why="moved")) as url:
        answer = fetch(url, guard=LOCAL)
    assert (answer.status, answer.body, answer.headers["x-why"]) == (410, b"gone", "moved")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_packed_page_is_unpacked_and_a_bomb_is_not(coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    with site(say(pack(b"hello"), Content_Encoding=coding)) as url:
        assert fetch(url, guard=LOCAL).body == b"hello"
    with site(say(pack(bytes(50_000_000)), Content_Encoding=coding)) as url, pytest.raises(Refused, match="larger than 1 MB"):
        fetch(url, guard=LOCAL, limit_bytes=1_000_000)


def test_a_page_without_an_end_is_left_at_the_limit() -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            request.wfile.write(bytes(65536))

    with site(answer) as url, pytest.raises(Refused, match="larger than"):
        fetch(url, guard=LOCAL, limit_bytes=1_000_000)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_a_server_that_drips_is_left_at_the_deadline(start: bytes) -> None:
    stop = threading.Event()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(start)
        while not stop.wait(0.05):
            request.wfile.write(b"x")

    with site(answer) as url, pytest.raises(Transient):
        fetch(url, guard=LOCAL, deadline_seconds=0.5)
    stop.set()


def test_garbage_is_a_passing_error() -> None:
    with site(lambda request: request.wfile.write(b"\x00\xff garbage\r\n\r\n") and None) as url, pytest.raises(Transient):
        fetch(url, guard=LOCAL)


def test_what_the_operator_allows_must_be_a_name_or_a_network() -> None:
    with pytest.raises(Misconfigured):
        Guard(["http://example.com/"])


def through(door: Door, head: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as way:
        way.settimeout(10)
        way.connect(str(door.path))
        way.sendall(head.encode() + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            return b"".join(iter(lambda: way.recv(65536), b""))
        return b""


def test_the_door_leads_where_the_guard_lets_it() -> None:
    with site(say(b"hello")) as url, Door(LOCAL, limit_bytes=1000) as door:
        assert through(door, f"GET {url}/a?b HTTP/1.1\r\nHost: x").endswith(b"hello")
        assert b"403" in through(door, "GET http://169.254.169.254/ HTTP/1.1\r\nHost: x")
        assert b"403" in through(door, "CONNECT 10.0.0.1:443 HTTP/1.1")
        assert b"400" in through(door, "nonsense")
        assert len(door.refused) == 2
    assert not door.path.exists()


def test_the_door_cuts_what_is_more_than_may_come() -> None:
    with site(say(bytes(5_000_000))) as url, Door(LOCAL, limit_bytes=300_000) as door:
        assert len(through(door, f"GET {url}/ HTTP/1.1\r\nHost: x")) <= 300_000
        assert door.exceeded


def test_a_trusted_name_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        asked: list[bytes] = []

        def serve() -> None:
            for answer in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n"):
                with proxy.accept()[0] as client:
                    asked.append(client.recv(1000).split(b"\r\n")[0])
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        guard = Guard(["twin.example.com"])
        guard.connect("twin.example.com", 443, timeout=5).close()
        with pytest.raises(Transient):
            guard.connect("twin.example.com", 443, timeout=5)
        thread.join()
    assert asked[0] == b"CONNECT twin.example.com:443 HTTP/1.1"

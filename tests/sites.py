"""Web sites on loopback."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator

Handler = Callable[[http.server.BaseHTTPRequestHandler], object]


@contextlib.contextmanager
def site(answer: Handler) -> Iterator[str]:
    """A server on loopback; its URL without a slash at the end."""

    class Request(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                answer(self)

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def say(body: bytes, *, status: int = 200, **headers: str) -> Handler:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return answer


def files(content: dict[str, tuple[str, bytes]], seen: list[str | None] | None = None) -> Handler:
    """Answer with what lies under a path (kind, bytes), by ranges if asked; `seen` gets what range each request asked for."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        if seen is not None and request.command != "HEAD":
            seen.append(wanted)
        if request.path not in content:
            say(b"nothing here", status=404)(request)
            return
        kind, body = content[request.path]
        first = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        request.send_response(206 if wanted else 200)
        if wanted:
            request.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body) - first),
            "ETag": f'"{hash(body):x}"',
        }.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body[first:])

    return answer

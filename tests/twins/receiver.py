from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit


@dataclass
class Receiver:
    """An address that takes notifications, as a product's webhook does."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def header(self, name: str) -> list[str]:
        return [headers[name] for headers, _ in self.got]


@contextmanager
def receiving(*, echoes: bool = True) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.got.append((dict(self.headers.items()), body))
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            challenge = parse_qs(urlsplit(self.path).query)["challenge"][0] if echoes else "no"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(challenge.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/push")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()

"""Where `demo --all` happens: the platform, the twins of the services outside, and a web site of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from api_stub.cli.demo.watcher import ENDED, Watcher
from core.errors import Refused, Transient
from twins.running import Twins

_PATH_SECONDS = 420.0
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a path has to work with."""

    watcher: Watcher
    twins: Twins
    home: Path
    site: Path  # a folder whose files are at `site_url`
    site_url: str

    def job(self, job_id: str) -> dict[str, Any]:
        """A job with its steps, once it has ended. Raises Transient."""
        return self.until(lambda: self._ended(job_id), f"job {job_id}")

    def video(self, name: str) -> dict[str, Any]:
        """The newest video of that file name, once its job has ended. Raises Transient."""

        def look() -> dict[str, Any] | None:
            found = [video for video in self.watcher.json("/api/videos") if video["originalFilename"] == name]
            job = self.watcher.job(found[0]["id"]) if found else None
            return self.watcher.json(f"/api/videos/{found[0]['id']}") if job and job["status"] in ENDED else None

        return self.until(look, name)

    def _ended(self, job_id: str) -> dict[str, Any] | None:
        job: dict[str, Any] = self.watcher.json(f"/v1/jobs/{job_id}")
        return job if job["status"] in ENDED else None

    def refuses(self, path: str, body: dict[str, Any]) -> bool:
        """Whether the platform refuses this request."""
        try:
            self.watcher.send(path, body)
        except Refused:
            return True
        return False

    def until(self, look: Callable[[], Found | None], what: str, *, seconds: float = _PATH_SECONDS) -> Found:
        """What `look` finds, once it does. Raises Transient."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise Transient(f"{what}: not within {seconds:.0f} s")
            time.sleep(0.3)
        return found


@contextmanager
def serve_site(folder: Path) -> Iterator[str]:
    """The address of a web site that shows the files of this folder, on loopback."""
    folder.mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_about: object) -> None:
        pass

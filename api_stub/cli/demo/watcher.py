"""The platform as a browser sees it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from core.errors import Refused, Transient

_JOBS_SECONDS, _AWAY_SECONDS = 240, 45
ENDED = ("succeeded", "failed", "cancelled", "quarantined")


@dataclass(slots=True)
class Watcher:
    """Looks at the platform as a browser does, and says what changes."""

    link: str
    started: float = field(default_factory=time.monotonic)
    _client: httpx.Client = field(init=False)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.link.partition("/sign-in")[0], timeout=10, trust_env=False)
        self._get(self.link, follow_redirects=True)

    def _get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        return self._ask("GET", path, **options)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """A good answer, waited for while the platform mends itself."""
        deadline = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                answer = self._client.request(method, path, **options)
            except httpx.TransportError as error:
                problem = type(error).__name__
            else:
                if answer.status_code < 400:  # noqa: PLR2004
                    return answer
                if answer.status_code < 500:  # noqa: PLR2004
                    raise Refused(f"{method} {path}: {answer.text[:300]}")
                problem = f"HTTP {answer.status_code}"
            if time.monotonic() > deadline:
                raise Transient(f"the platform does not answer {path} ({problem})")
            time.sleep(0.3)

    def send(self, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST") -> Any:  # noqa: ANN401
        """What a request that changes something is answered; sent again while the platform mends itself. Raises Refused."""
        headers = {"Idempotency-Key": uuid4().hex}
        answer = self._ask(method, path, json=dict(body or {}), headers=headers)
        return answer.json() if answer.content else None

    def json(self, path: str) -> Any:  # noqa: ANN401
        return self._get(path).json()

    def text(self, path: str) -> str:
        return self._get(path).text

    def size(self, path: str) -> int:
        return len(self._get(path).content)

    def remove(self, video_id: int) -> None:
        """Delete a video with its files."""
        self._client.delete(f"/api/videos/{video_id}").raise_for_status()

    def newest(self) -> int:
        """The id of the newest video that is there."""
        return max((video["id"] for video in self.json("/api/videos")), default=0)

    def follow(self, names: Sequence[str], *, after: int) -> dict[str, dict[str, Any]]:
        """Tell the progress of the videos of these names that came `after` that id until all have ended; videos by name."""
        deadline = time.monotonic() + _JOBS_SECONDS
        while time.monotonic() < deadline:
            ours = {video["originalFilename"]: video for video in self.json("/api/videos") if video["id"] > after}
            ended = [name for name in names if name in ours and self._tell(name, ours[name])]
            if len(ended) == len(names):
                return {name: self.json(f"/api/videos/{ours[name]['id']}") for name in names}
            time.sleep(0.4)
        raise Transient(f"not ready after {_JOBS_SECONDS} s")

    def _tell(self, name: str, video: Mapping[str, Any]) -> bool:
        job = self.job(video["id"])
        for step in job["steps"] if job else ():
            shown = f"{step['status']} {step['error'] or ''}".strip()
            if step["status"] == "running" and step["progress"]:
                shown = f"running, {int(step['progress'] * 4) * 25} %"  # told by quarters
            if step["status"] != "waiting" and self._seen.get((name, step["name"])) != shown:
                self._seen[name, step["name"]] = shown
                print(f"{time.monotonic() - self.started:6.1f} s  {name:<10} {step['name']:<11} {shown}", flush=True)
        return job is not None and job["status"] in ENDED

    def job(self, video_id: int) -> dict[str, Any] | None:
        """The newest job about a video, with its steps."""
        found = self.json(f"/v1/jobs?subject=video:{video_id}&limit=1")["items"]
        return self.json(f"/v1/jobs/{found[0]['id']}") if found else None

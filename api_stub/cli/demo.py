"""`demo`: the whole main job on the bundled clips, in a home of its own, judged from outside."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from api_stub.cli import ROOT
from api_stub.cli.judge import Verdict, clock, judge
from core.errors import Transient
from core.local_stack.programs import SAME
from db.confidentiality import segment_times
from pipelines.providers.sample import SAMPLES

CLIPS = ("talk", "clear")
_START_SECONDS, _JOBS_SECONDS, _AWAY_SECONDS, _STOP_SECONDS = 90, 240, 45, 45
_ENDED = ("succeeded", "failed", "cancelled", "quarantined")


def demo(options: argparse.Namespace) -> int:
    """Status 0 only when everything is right."""
    with tempfile.TemporaryDirectory(prefix="askstephen-demo-") as folder:
        Path(folder).chmod(0o711)  # as root, servers and children run as users that must be able to walk in
        home = Path(folder) / "home"
        with _platform(home) as link:
            _say(f"running in {home}")
            if options.keep:
                _say(f"open {link}")
            return _run(_Watcher(link), home, keep=options.keep)


def _run(watcher: "_Watcher", home: Path, *, keep: bool) -> int:
    watched, newest = home / "watched", watcher.newest()
    for clip in CLIPS:
        shutil.copyfile(SAMPLES / f"{clip}.mp4", watched / f"{clip}.mp4")
        _say(f"dropped {clip}.mp4 into the watched folder")
    videos = watcher.follow([f"{clip}.mp4" for clip in CLIPS], after=newest)
    verdicts = []
    for clip in CLIPS:
        verdicts += _show(watcher, clip, videos[f"{clip}.mp4"])
    missed = [verdict for verdict in verdicts if not verdict.passed]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} checks passed.", flush=True)
    if keep:
        print("Everything keeps running. Ctrl-C ends it and removes the home.", flush=True)
        with _interrupted():
            signal.pause()
    for video in videos.values():  # the database may be one that goes on
        watcher.remove(video["id"])
    return 1 if missed else 0


@contextmanager
def _interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(flush=True)


@contextmanager
def _platform(home: Path) -> Iterator[str]:
    """`up` on this home in a process of its own; gives the link that signs in."""
    environment = {**os.environ, "SAMPLE": "false", "WATCH_FOLDER": str(home / "watched"), "PYTHONUNBUFFERED": "1"}
    argv = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(home)]
    said = home.with_name("up.log")
    with said.open("wb") as log:
        # The kernel tells it when we are killed, so that nothing is left behind.
        command = SAME.command(argv, death_signal=signal.SIGINT)
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _wait_for_link(process, said)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)


def _wait_for_link(process: subprocess.Popen[bytes], said: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in said.read_text().splitlines():
            if line.startswith("Open "):
                return line.removeprefix("Open ")
        time.sleep(0.1)
    raise Transient(f"the platform did not start:\n{said.read_text()[-2000:]}")


@dataclass(slots=True)
class _Watcher:
    """Looks at the platform as a browser does, and says what changes."""

    link: str
    started: float = field(default_factory=time.monotonic)
    _client: httpx.Client = field(init=False)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.link.partition("/sign-in")[0], timeout=10, trust_env=False)
        self._get(self.link, follow_redirects=True)

    def _get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """A good answer, waited for while the platform mends itself."""
        deadline = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                answer = self._client.get(path, **options)
            except httpx.TransportError as error:
                problem = type(error).__name__
            else:
                if answer.status_code < 500:  # noqa: PLR2004
                    answer.raise_for_status()
                    return answer
                problem = f"HTTP {answer.status_code}"
            if time.monotonic() > deadline:
                raise Transient(f"the platform does not answer {path} ({problem})")
            time.sleep(0.3)

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
        return job is not None and job["status"] in _ENDED

    def job(self, video_id: int) -> dict[str, Any] | None:
        """The newest job about a video, with its steps."""
        found = self.json(f"/v1/jobs?subject=video:{video_id}&limit=1")["items"]
        return self.json(f"/v1/jobs/{found[0]['id']}") if found else None


def _show(watcher: _Watcher, clip: str, video: Mapping[str, Any]) -> list[Verdict]:
    """Print what was made of a clip; returns what is to be said of it."""
    print(f"\n{clip}.mp4", flush=True)
    job = watcher.job(video["id"])
    for step in job["steps"] if job else ():
        print(f"  {step['name']:<11} {step['status']:<10} {_took(step):>7}  attempt {step['attempt']}")
    if video["status"] != "ready_to_edit":
        return [_told(Verdict(passed=False, words=f"{video['status']}: {video['errorMessage']}"))]
    media = f"/media/videos/{video['id']}"
    verdicts = list(_look_at_outputs(watcher, media))
    check = watcher.json(f"/api/videos/{video['id']}/confidentiality-check")
    for segment in check["segments"] if check else ():
        start, end = segment_times(segment)
        print(f"  {clock(start)}-{clock(end)}  {segment['severity']:<7} {segment['category']:<16} {segment['reason']}")
    truth = json.loads((SAMPLES / f"{clip}.spoken.json").read_text())
    verdicts += judge(truth, video=video, check=check, captions=watcher.text(f"{media}/captions_vtt"))
    return [_told(verdict) for verdict in verdicts]


def _took(step: Mapping[str, Any]) -> str:
    if not step["claimed_at"] or not step["finished_at"]:
        return "-"
    return f"{(_moment(step['finished_at']) - _moment(step['claimed_at'])):.1f} s"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _look_at_outputs(watcher: _Watcher, media: str) -> Iterator[Verdict]:
    master = watcher.text(f"{media}/ladder/master.m3u8")
    rungs = [line for line in master.splitlines() if line and not line.startswith("#")]
    segments = 0
    for rung in rungs:
        playlist = watcher.text(f"{media}/ladder/{rung}")
        names = [line for line in playlist.splitlines() if line and not line.startswith("#")]
        segments += sum(watcher.size(f"{media}/ladder/{rung.rpartition('/')[0]}/{name}") > 0 for name in names)
    sizes = {kind: watcher.size(f"{media}/{kind}") for kind in ("mp4", "poster", "captions_vtt", "captions_srt", "transcript")}
    told = ", ".join(f"{kind} {size / 1000:.0f} kB" for kind, size in sizes.items())
    yield Verdict(bool(rungs) and segments > 0, f"ladder: {len(rungs)} sizes, {segments} segments that can be fetched")
    yield Verdict(min(sizes.values()) > 0, told)


def _told(verdict: Verdict) -> Verdict:
    print(f"  {'ok    ' if verdict.passed else 'FAILED'} {verdict.words}", flush=True)
    return verdict


def _say(words: str) -> None:
    print(f"demo: {words}", flush=True)

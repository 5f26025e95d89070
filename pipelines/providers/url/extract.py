"""Runs yt-dlp as a child that has no network but a door of the guard, and says in a sentence what came of it."""

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.children import Limits
from core.errors import ChildDied, Misconfigured, NotFound, Permanent, Refused, Transient, Unavailable
from core.guard import Guard
from core.guard.doors import Door
from core.settings import settings
from pipelines.providers.base import Delivery, Fetched, copy_hashed
from pipelines.providers.ffmpeg.command import program

_CHILD = Path(__file__).with_name("child.py")
_DEADLINE_SECONDS = 4 * 3600
_NAME = "video"
_LONGEST_WORDS = 300

_SENTENCES = {
    "live": "This is a live stream. Please ask for it once it has ended and its recording is there.",
    "list": "This is a list of several videos. Please give the address of one of them.",
    "large": "This video is larger than may be taken.",
    "none": "There is no video at this address that can be fetched.",
    "unsupported": "Videos are not taken from this site. Please download it there and upload the file.",
    "sign_in": "The site shows this video only to people who are signed in. Please download it there and upload the file.",
    "country": "The site does not show this video in the country where this machine is.",
}


@dataclass
class _Told:
    """What the child said, line by line. None of it is trusted."""

    delivery: Delivery
    error: str | None = None
    words: str = ""
    status: int | None = None
    seen: list[str] = field(default_factory=list)

    def line(self, line: str) -> None:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, Mapping):
            return
        share = said.get("progress")
        if isinstance(share, int | float) and math.isfinite(share):
            self.delivery.progress(min(1.0, max(0.0, share)))
        if isinstance(said.get("error"), str):
            self.error = said["error"]
            self.words = " ".join(str(said.get("words", "")).split())[:_LONGEST_WORDS]
            self.status = said["status"] if isinstance(said.get("status"), int) else None


def extract(url: str, delivery: Delivery, guard: Guard, limit_bytes: int) -> Fetched:
    """The video that yt-dlp finds at `url`, under the delivery's own key. Raises as `VideoProvider.fetch` does."""
    told = _Told(delivery)
    with Door(guard, limit_bytes=limit_bytes + limit_bytes // 10) as door:  # what is around a video comes in as well
        argv = [
            sys.executable,
            "-I",
            str(_CHILD),
            str(door.path),
            str(limit_bytes),
            program("ffmpeg"),
            settings().url_extractors,
            url,
        ]
        limits = Limits(file_bytes=limit_bytes + 1, deadline_seconds=_DEADLINE_SECONDS, loopback=True)
        try:
            ended = delivery.run(argv, inputs=[door.path, _CHILD], limits=limits, on_line=told.line)
        except ChildDied as error:
            if door.exceeded or error.evidence.get("signal") == _FILE_TOO_LARGE:
                raise Refused(_SENTENCES["large"]) from None
            raise
        if door.exceeded:
            raise Refused(_SENTENCES["large"])
        if ended.returncode:
            raise _error(told, door.refused, ended.stderr)
    return _keep(delivery)


_FILE_TOO_LARGE = 25  # SIGXFSZ


def _error(told: _Told, refused: list[str], stderr: str) -> Permanent | Transient:
    if refused:
        return Refused(refused[-1])
    if told.error in _SENTENCES:
        return Refused(_SENTENCES[told.error])
    if told.error == "no_way":
        return Misconfigured(
            f"yt-dlp has no way out of its sandbox ({told.words}): allow user namespaces on this machine; `doctor` tells what is missing"
        )
    if told.error == "refused":
        return Refused(f"The site does not give this video: {told.words}")
    if told.error == "status" and told.status is not None:
        return _status_error(told.status)
    last = " | ".join(stderr.strip().splitlines()[-2:])[-_LONGEST_WORDS:]
    return Transient(f"the video could not be fetched: {told.words or last}")


def _status_error(status: int) -> Permanent | Transient:
    if status in {404, 410}:
        return NotFound(f"The site says that there is nothing at this address ({status}).")
    if status in {401, 403}:
        return Refused(_SENTENCES["sign_in"])
    return Unavailable(f"the site says: later ({status})", provider="url", of_owner=True)


def _keep(delivery: Delivery) -> Fetched:
    """The one file that the child left, into storage."""
    found = [
        path
        for path in delivery.folder().iterdir()
        if path.name.split(".")[0] == _NAME and path.suffix not in {".part", ".ytdl"}
    ]
    if len(found) != 1:
        raise Transient(f"yt-dlp left {len(found)} files instead of one")
    with os.fdopen(os.open(found[0], os.O_RDONLY | os.O_NOFOLLOW), "rb") as source:
        size_bytes = os.fstat(source.fileno()).st_size
        if not size_bytes:
            raise Refused(_SENTENCES["none"])
        with delivery.storage.writer(delivery.key) as target:
            size, sha256 = copy_hashed(source, target, size_bytes, progress=delivery.progress)
    found[0].unlink()
    return Fetched(delivery.key, size, sha256)

"""Run in the sandbox as `python -I child.py DOOR LIMIT FFMPEG EXTRACTORS URL`: fetches one video into the working folder.

Alone: it imports nothing of the project. Its way out is the unix socket DOOR, which it relays on its own loopback, because
yt-dlp knows proxies by host and port only. Says what happens in JSON lines; ends with 0, or 1 after a line with `error`.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

_SAY_SECONDS = 0.5
_LIVE = {"is_live", "is_upcoming", "post_live"}


class Stop(Exception):
    """Why there will be no video."""

    def __init__(self, error: str, words: str = "", status: int | None = None) -> None:
        super().__init__(error)
        self.said = {"error": error, "words": words, "status": status}


def say(**words: object) -> None:
    """A line for the parent."""
    print(json.dumps(words), flush=True)  # noqa: T201


def relay(door: str) -> int:
    """Lead every connection to a loopback port on to the door; returns the port. Raises OSError where there is no loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(listener.getsockname(), timeout=5):
        listener.accept()[0].close()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            inside, _ = listener.accept()
            outside = socket.socket(socket.AF_UNIX)
            outside.connect(door)
            for pair in ((inside, outside), (outside, inside)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


class Watch:
    """yt-dlp's hooks: what is too large, live, or not one video is ended as soon as that is known."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._said_at = 0.0

    def judge(self, info: dict[str, Any], *, incomplete: bool = False) -> None:  # noqa: ARG002
        """For `match_filter`."""
        if info.get("is_live") or info.get("live_status") in _LIVE:
            raise Stop("live")
        self._check_size(info.get("filesize"))

    def follow(self, event: dict[str, Any]) -> None:
        """For `progress_hooks`."""
        done, total = event.get("downloaded_bytes") or 0, event.get("total_bytes") or event.get("total_bytes_estimate")
        self._check_size(done)
        if time.monotonic() - self._said_at > _SAY_SECONDS:
            self._said_at = time.monotonic()
            say(progress=done / total if total else 0)

    def _check_size(self, size_bytes: int | None) -> None:
        if size_bytes and size_bytes > self._limit_bytes:
            raise Stop("large")


def options(port: int, watch: Watch, ffmpeg: str, extractors: str, limit_bytes: int) -> dict[str, Any]:
    """One file, of one file where the site has that, by native downloaders; ffmpeg only ever joins a picture and its sound."""
    return {
        "proxy": f"http://127.0.0.1:{port}",
        "allowed_extractors": extractors.split(","),
        "format": "b[protocol^=http]/bv*[ext=mp4][protocol^=http]+ba[ext=m4a][protocol^=http]/b[protocol^=m3u8]/b[protocol^=http_dash]",
        "outtmpl": "video.%(ext)s",
        "merge_output_format": "mp4",
        "ffmpeg_location": ffmpeg,
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        "fixup": "never",
        "match_filter": watch.judge,
        "progress_hooks": [watch.follow],
        "max_filesize": limit_bytes,
        "noplaylist": True,
        "playlist_items": "1:2",
        "cachedir": False,
        "usenetrc": False,
        "enable_file_urls": False,
        "socket_timeout": 20,
        "retries": 3,
        "fragment_retries": 3,
        "extractor_retries": 1,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "color": "no_color",
    }


def fetch(door: str, limit_bytes: int, ffmpeg: str, extractors: str, url: str) -> None:
    """Raises Stop."""
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import DownloadError

    watch = Watch(limit_bytes)
    try:
        port = relay(door)
    except OSError as error:
        raise Stop("no_way", str(error)) from error
    with YoutubeDL(options(port, watch, ffmpeg, extractors, limit_bytes)) as ydl:
        try:
            info = ydl.extract_info(url, download=False)
            entries = list(info.get("entries") or []) if info.get("_type") == "playlist" else [info]
            if len(entries) > 1:
                raise Stop("list")
            if not entries or not entries[0]:
                raise Stop("none")
            watch.judge(entries[0])
            ydl.process_ie_result(entries[0], download=True)
        except DownloadError as error:
            raise why(error) from error
    if not any(name.startswith("video.") and not name.endswith((".part", ".ytdl")) for name in os.listdir()):  # noqa: PTH208
        raise Stop("none")


def why(error: Any) -> Stop:  # noqa: ANN401
    """What stands behind yt-dlp's error: the first cause whose class says something, else its words."""
    from yt_dlp.utils import ExtractorError

    words, expected = str(getattr(error, "msg", error)).removeprefix("ERROR: "), False
    for cause in causes(error):
        if (stop := known(cause, words)) is not None:
            return stop
        expected = expected or (isinstance(cause, ExtractorError) and cause.expected)
        words = getattr(cause, "orig_msg", None) or words
    return Stop("refused", words) if expected else Stop("unsupported" if "No suitable extractor" in words else "other", words)


def causes(error: Any) -> Iterator[Any]:  # noqa: ANN401
    """An error and what it came from, outermost first."""
    cause = error.exc_info[1] if getattr(error, "exc_info", None) else error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = getattr(cause, "cause", None) or getattr(cause, "__cause__", None)


def known(cause: Any, words: str) -> Stop | None:  # noqa: ANN401
    """What an error's class says by itself."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

    if isinstance(cause, Stop):
        return cause
    if isinstance(cause, HTTPError):
        return Stop("status", words, cause.status)
    names = {UserNotLive: "live", GeoRestrictedError: "country", UnsupportedError: "none", TransportError: "network"}
    return next((Stop(name, words) for kind, name in names.items() if isinstance(cause, kind)), None)


def main() -> int:
    """Ends the process's threads with it."""
    door, limit, ffmpeg, extractors, url = sys.argv[1:]
    try:
        fetch(door, int(limit), ffmpeg, extractors, url)
    except Stop as stop:
        say(**stop.said)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())

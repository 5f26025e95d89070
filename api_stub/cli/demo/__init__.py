"""`demo`: what the platform does, in a home of its own, judged from outside."""

import argparse
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from api_stub.cli.demo.everything import show_everything
from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.main_job import show_clips, take_in
from api_stub.cli.demo.platform import platform
from api_stub.cli.demo.saying import say, told
from api_stub.cli.demo.watcher import Watcher


def demo(options: argparse.Namespace) -> int:
    """Status 0 only when everything is right."""
    with tempfile.TemporaryDirectory(prefix="askstephen-demo-") as folder:
        Path(folder).chmod(0o711)  # as root, servers and children run as users that must be able to walk in
        if options.all:
            return conclude(show_everything(Path(folder), storm=options.storm))
        home = Path(folder) / "home"
        with platform(home) as link:
            say(f"running in {home}")
            if options.keep:
                say(f"open {link}")
            watcher = Watcher(link)
            videos = take_in(watcher, home)
            status = conclude([told(verdict) for verdict in show_clips(watcher, videos)])
            if options.keep:
                _wait_for_interrupt()
            for video in videos.values():  # the database may be one that goes on
                watcher.remove(video["id"])
            return status


def conclude(verdicts: Sequence[Verdict]) -> int:
    """Print the sum; the status of the process."""
    missed = [verdict for verdict in verdicts if not verdict.passed]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} checks passed.", flush=True)
    return 1 if missed else 0


def _wait_for_interrupt() -> None:
    print("Everything keeps running. Ctrl-C ends it and removes the home.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(flush=True)

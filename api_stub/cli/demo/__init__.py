"""`demo`: what the platform does, in a home of its own, judged from outside."""

import argparse
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from api_stub.cli.demo.everything import everything
from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.main_job import show_clips, take_in
from api_stub.cli.demo.platform import platform
from api_stub.cli.demo.saying import say, told
from api_stub.cli.demo.watcher import Watcher
from api_stub.cli.up import new_link
from core.errors import Invalid


def demo(options: argparse.Namespace) -> int:
    """Status 0 only when everything is right. Raises Invalid."""
    if options.storm and not options.all:
        raise Invalid("--storm spoils what the services outside answer, and without --all there are none: add --all")
    with tempfile.TemporaryDirectory(prefix="askstephen-demo-") as folder:
        Path(folder).chmod(0o711)  # as root, servers and children run as users that must be able to walk in
        home = Path(folder) / "home"
        with everything(Path(folder), home, storm=options.storm) if options.all else _main_job(home) as verdicts:
            status = conclude(verdicts)
            if options.keep:
                _let_look(home)
        return status


@contextmanager
def _main_job(home: Path) -> Iterator[list[Verdict]]:
    with platform(home) as link:
        say(f"running in {home}")
        watcher = Watcher(link)
        videos = take_in(watcher, home)
        yield [told(verdict) for verdict in show_clips(watcher, videos)]
        for video in videos.values():  # the database may be one that goes on
            watcher.remove(video["id"])


def conclude(verdicts: Sequence[Verdict]) -> int:
    """Print the sum; the status of the process."""
    missed = [verdict for verdict in verdicts if not verdict.passed]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} checks passed.", flush=True)
    return 1 if missed else 0


def _let_look(home: Path) -> None:
    """Until Ctrl-C."""
    print(f"Everything keeps running. Open {new_link(home)}\nCtrl-C ends it and removes the home.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(flush=True)

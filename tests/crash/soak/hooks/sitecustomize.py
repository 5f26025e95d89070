"""First on the path of every Python process of a soak's platform: leads it over its links, and lets it die at a chosen point.

Nothing here is known to the product: a point is armed by a file, and whoever can remove that file is killed there.
"""

import os
import re
import signal
import sys
from pathlib import Path

FOLDER = Path(os.environ["SOAK_FOLDER"])
_NAMES = {  # by what stands behind `python -m`
    ("scheduler",): "scheduler",
    ("workers", "--queues", "io,web"): "worker",
    ("workers", "--queues", "media"): "media",
    ("workers", "--queues", "ai"): "ai",
}


def find_name() -> str | None:
    words = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
    return next((name for start, name in _NAMES.items() if tuple(words[: len(start)]) == start), None)


def take_links(name: str) -> None:
    """Whoever this process starts inherits them."""
    postgres, valkey = FOLDER / f"{name}-postgres", FOLDER / f"{name}-valkey" / "s"
    os.environ["DATABASE_URL"] = re.sub(r"host=[^&]*", f"host={postgres}", os.environ["DATABASE_URL"])
    os.environ["REDIS_URL"] = f"unix://{valkey}?db=0"


def set_points(name: str) -> None:
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    from db.engine import MOVED

    def die_if_armed(point: str) -> None:
        try:
            (FOLDER / f"{name}.{point}").unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def at_commit(point: str):
        return lambda session: session.info.get(MOVED) and die_if_armed(point)

    event.listen(Session, "before_commit", at_commit("uncommitted"))
    event.listen(Session, "after_commit", at_commit("committed"))
    if name == "scheduler":
        from scheduler.relay import Relay

        send = Relay._send

        def send_or_die(relay: Relay, queue: str, hints: list, *, alone: bool) -> None:
            if hints:
                die_if_armed("unsent")
            send(relay, queue, hints, alone=alone)
            if hints:
                die_if_armed("sent")

        Relay._send = send_or_die


if name := find_name():
    take_links(name)
    set_points(name)

"""A scheduler's clock in a process of its own, that is told the time: one instant a line, answered when its tick has ended."""

import sys
from datetime import UTC, datetime

from db.engine import Database
from scheduler.clock import Clock


def main() -> None:
    with Database(sys.argv[1], connections=2) as database:
        told = datetime.min.replace(tzinfo=UTC)
        clock = Clock(database, now=lambda _session: told)
        for line in sys.stdin:
            told = datetime.fromisoformat(line.strip())
            clock.tick()
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()

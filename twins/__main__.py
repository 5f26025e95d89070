"""`python -m twins --home DIR`: serve the twins of a home until a signal."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Thread

from twins.server import serve


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m twins", description="Serve the twins of a home.")
    parser.add_argument("--home", type=Path, required=True, help="where what they are told is kept")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does: who started this is gone")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    if options.with_parent:
        Thread(target=_end_with_parent, daemon=True).start()
    home = options.home.expanduser().absolute()
    home.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(home))
    return 0


def _end_with_parent() -> None:
    while os.read(0, 4096):  # not through sys.stdin: its lock, held here, would abort the interpreter at its end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())

"""Has a thumbnail drawn by a child: a frame of the film, darkened below, with a few words on it."""

import sys
from dataclasses import replace
from pathlib import Path

from core.children import Limits, Run
from core.errors import Transient

_DRAWER = Path(__file__).parent / "drawer.py"


def draw_thumbnail(run: Run, frame: Path, words: str, target: Path) -> None:
    """Write a JPEG of 1280x720 into `target` (in the attempt's folder). May be repeated. Raises Transient, ChildDied."""
    argv = [sys.executable, "-I", str(_DRAWER), str(frame.absolute()), str(target.absolute()), words]
    limits = replace(Limits(), cpu_seconds=60, memory_bytes=2 << 30, deadline_seconds=60.0)
    ended = run(argv, inputs=[_DRAWER, frame], limits=limits)
    if ended.returncode != 0 or not target.is_file():
        last = (ended.stderr.strip().splitlines() or ["without a word"])[-1][-300:]
        raise Transient(f"the thumbnail was not drawn (exit {ended.returncode}): {last}")

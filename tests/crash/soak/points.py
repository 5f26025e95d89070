"""Deaths at chosen points: what a kill at a random moment hits too seldom."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.crash.soak.stage import WORKERS, soak_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.crash.soak.faults import Faults

_WAIT_SECONDS = 3.0
_POINTS = {  # each with whom it strikes
    "unsent": ("scheduler",),  # the hints are decided on
    "sent": ("scheduler",),  # Redis has them, and the relay does not know it yet
    "uncommitted": ("scheduler", *WORKERS),  # a commit that moves a job
    "committed": ("scheduler", *WORKERS),
}


def crash_points(faults: Faults) -> dict[str, Callable[[], bool]]:
    """A deed for each point (see hooks/sitecustomize.py)."""
    return {f"SIGKILL when {point}": partial(_die_at, faults, names, point) for point, names in _POINTS.items()}


def _die_at(faults: Faults, names: Sequence[str], point: str) -> bool:
    name = faults.random.choice(names)
    if faults.process_of(name) is None or not faults.may_die(name):
        return False
    armed = soak_folder(faults.stage.home) / f"{name}.{point}"
    armed.touch()
    if not faults.wait(lambda: not armed.exists(), seconds=_WAIT_SECONDS):
        try:
            armed.unlink()  # it did not come there
        except FileNotFoundError:
            pass
        else:
            return False
    return faults.note(f"SIGKILL when {point}", name, loses_steps=name in WORKERS)

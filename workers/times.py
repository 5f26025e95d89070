"""What a worker process measured of its steps, until the keeper tells the others."""

import threading

_ENOUGH_RUNS = 8  # to tell a change from chance: a process's first runs of a step pay for its imports and connections


class StepTimes:
    """Runs that came to their end, by pipeline and step: how many, and the seconds that they took together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[tuple[str, str], tuple[int, float]] = {}
        self._told: dict[tuple[str, str], float] = {}  # mean seconds, as last told

    def add(self, pipeline: str, step: str, seconds: float) -> None:
        """Count one run."""
        with self._lock:
            runs, total = self._new.get((pipeline, step), (0, 0.0))
            self._new[pipeline, step] = runs + 1, total + seconds

    def has_news(self) -> bool:
        """Tell whether there is a step of which this process told nothing yet, or one that takes another time now."""
        with self._lock:
            return any(self._is_news(key, runs, total / runs) for key, (runs, total) in self._new.items())

    def _is_news(self, key: tuple[str, str], runs: int, mean: float) -> bool:
        told = self._told.get(key)
        return told is None or (runs >= _ENOUGH_RUNS and not told / 2 <= mean <= told * 2)

    def take(self) -> dict[tuple[str, str], tuple[int, float]]:
        """What was counted since the last call."""
        with self._lock:
            new, self._new = self._new, {}
            self._told.update((key, total / runs) for key, (runs, total) in new.items())
            return new

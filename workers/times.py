"""What a worker process measured of its steps, until the keeper tells the others."""

import threading


class StepTimes:
    """Runs that came to their end, by pipeline and step: how many, and the seconds that they took together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[tuple[str, str], tuple[int, float]] = {}
        self._told: set[tuple[str, str]] = set()

    def add(self, pipeline: str, step: str, seconds: float) -> None:
        """Count one run."""
        with self._lock:
            runs, total = self._new.get((pipeline, step), (0, 0.0))
            self._new[pipeline, step] = runs + 1, total + seconds

    def has_news(self) -> bool:
        """Tell whether there is a step of which this process told nothing yet."""
        with self._lock:
            return not self._told.issuperset(self._new)

    def take(self) -> dict[tuple[str, str], tuple[int, float]]:
        """What was counted since the last call."""
        with self._lock:
            new, self._new = self._new, {}
            self._told.update(new)
            return new

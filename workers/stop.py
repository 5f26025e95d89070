"""The wish that this process ends: told by any thread, or by a signal at any moment."""

import queue
import signal


class Stop:
    """Once set, set for ever. Not an event of `threading`: its lock, which a handler finds taken by its own thread, is never free again."""

    def __init__(self) -> None:
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()  # may be put to in the middle of itself

    def set(self) -> None:
        """Tell it, as often as one likes."""
        self._told.put(None)

    def wait(self, seconds: float | None = None) -> bool:
        """Tell whether it is set, at once or within so many seconds."""
        try:
            self._told.get(timeout=seconds)
        except queue.Empty:
            return False
        self._told.put(None)  # for whoever asks next
        return True

    def at_signals(self) -> None:
        """Set it at TERM and at Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.set())

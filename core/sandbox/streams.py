"""What a child says, taken in without ever growing past a bound."""

import time
from collections.abc import Callable

KEPT_OUTPUT_BYTES = 16 * 1024**2
KEPT_ERROR_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 1024**2


class Lines:
    """Standard output: its beginning is kept, every line is handed on (of one that is too long, its beginning)."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.last_line_at = time.monotonic()
        self._on_line = on_line
        self._kept = bytearray()
        self._line = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take in what was read. Raises what `on_line` raises."""
        self._kept += chunk[: KEPT_OUTPUT_BYTES - len(self._kept)]
        if b"\n" in chunk:
            self.last_line_at = time.monotonic()
        if self._on_line is not None:
            self._hand_on(chunk, self._on_line)

    def finish(self) -> None:
        """Hand on a last line that has no end."""
        if self._line and self._on_line is not None:
            self._on_line(_text(self._line))
        self._line.clear()

    def silence(self) -> None:
        """Hand on nothing any more."""
        self._on_line = None

    @property
    def text(self) -> str:
        """The beginning of all that was said."""
        return _text(self._kept)

    def _hand_on(self, chunk: bytes, on_line: Callable[[str], None]) -> None:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._extend(piece)
            line = _text(self._line)
            self._line.clear()
            on_line(line)
        self._extend(rest)

    def _extend(self, piece: bytes) -> None:
        self._line += piece[: LONGEST_LINE_BYTES - len(self._line)]


class Tail:
    """Standard error: its end is kept."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take in what was read."""
        self._kept += chunk
        del self._kept[:-KEPT_ERROR_BYTES]

    @property
    def text(self) -> str:
        """The end of all that was said."""
        return _text(self._kept)


def _text(said: bytearray) -> str:
    return said.decode("utf-8", "replace")

"""Reads the one kind of sound that is listened to: WAV, 16 kHz, mono, 16 bits. Nothing is held but what was asked for."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .ends import UnusableSound

RATE = 16_000

Samples = npt.NDArray[np.float32]  # -1 to 1


class Sound:
    """An open sound. Raises UnusableSound when its header promises something else, or more than the file holds."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = wave.open(str(path), "rb")  # noqa: SIM115  (open as long as the program runs)
        except (wave.Error, EOFError, OSError) as error:
            raise UnusableSound(f"the sound is not a WAV file that can be read ({error})") from error
        shape = (self._file.getframerate(), self._file.getnchannels(), self._file.getsampwidth())
        if shape != (RATE, 1, 2):
            raise UnusableSound(
                f"the sound is {shape[0]} Hz, {shape[1]} channels, {8 * shape[2]} bits: not 16 kHz, mono, 16 bits"
            )
        self.samples = self._file.getnframes()
        if 2 * self.samples > path.stat().st_size:
            raise UnusableSound("the sound is cut off: its file is shorter than its header says")

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / RATE

    def read(self, start: int, end: int) -> Samples:
        """The samples from `start` to before `end`, fewer at the end of the sound."""
        self._file.setpos(min(max(0, start), self.samples))
        plain = np.frombuffer(self._file.readframes(max(0, end - start)), dtype="<i2")
        return plain.astype(np.float32) / np.float32(32768)

    def blocks(self, size: int) -> Iterator[Samples]:
        """The whole sound in blocks of `size` samples, the last one shorter."""
        for start in range(0, self.samples, size):
            yield self.read(start, start + size)

"""Where somebody speaks: the probability of a voice in each 32 ms of a sound, and the stretches that follow from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import get_vad_model

from .sound import RATE, Samples, Sound

WINDOW = 512  # samples that the model judges at a time; it also wants the 64 before them
WINDOW_SECONDS = WINDOW / RATE
_CONTEXT = 64
_BLOCK = WINDOW * 256  # 8 s: the model's memory grows with the block

VOICE, QUIET = 0.5, 0.35  # a stretch begins at the one and lasts until below the other
_PAUSE_SECONDS = 0.3  # shorter pauses do not end a stretch
_SHORTEST_SECONDS = 0.2  # shorter sounds are clicks and coughs; "no?" has 0.25 s
_MARGIN_SECONDS = 0.1  # soft first and last sounds are judged too late and too early

Probabilities = npt.NDArray[np.float32]  # one per window


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the sound, in seconds."""

    start: float
    end: float


def measure_voice(sound: Sound, report: Callable[[float], None]) -> Probabilities:
    """The probability of a voice in every window of the sound, in memory that does not grow with it but for the result."""
    session = get_vad_model().session
    memory, cell = np.zeros((2, 1, 1, 128), np.float32)
    before = np.zeros(_CONTEXT, np.float32)
    # Made at once: what each block left behind would keep the allocator from using the space of the last one again.
    found = np.zeros(-(-sound.samples // WINDOW), np.float32)
    done = 0
    for block in sound.blocks(_BLOCK):
        judged, memory, cell = session.run(None, {"input": _windows(before, block), "h": memory, "c": cell})
        found[done : done + judged.size] = judged.reshape(-1)
        done += judged.size
        before = block[-_CONTEXT:].copy()
        report(done / len(found))
    return found


def _windows(before: Samples, block: Samples) -> Samples:
    """Each window of the block with the samples before it; the last window is filled up with silence."""
    padded = np.concatenate([before, block, np.zeros(-len(block) % WINDOW, np.float32)])
    views = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + WINDOW)[::WINDOW]
    return np.ascontiguousarray(views)


def find_speech(probabilities: Probabilities, seconds: float) -> list[Span]:
    """The stretches of speech of a sound that lasts `seconds`: rising, not touching."""
    long_enough = (run for run in _runs(probabilities) if (run[1] - run[0]) * WINDOW_SECONDS >= _SHORTEST_SECONDS)
    spans = (Span(first * WINDOW_SECONDS, last * WINDOW_SECONDS) for first, last in long_enough)
    return merge(spans, gap=0.0, margin=_MARGIN_SECONDS, seconds=seconds)


def _runs(probabilities: Probabilities) -> Iterable[tuple[int, int]]:
    """First and one-past-last window of each run of voice."""
    patience = round(_PAUSE_SECONDS / WINDOW_SECONDS)
    first, last = -1, -1  # of the run that is open, if any
    for index, probability in enumerate(probabilities.tolist()):
        if first < 0 and probability >= VOICE:
            first = last = index
        elif first >= 0 and probability >= QUIET:
            last = index
        elif first >= 0 and index - last > patience:
            yield first, last + 1
            first = -1
    if first >= 0:
        yield first, last + 1


def merge(spans: Iterable[Span], *, gap: float, margin: float, seconds: float) -> list[Span]:
    """The spans, widened by `margin` within the sound, those made one that then are no more than `gap` apart."""
    merged: list[Span] = []
    for span in spans:
        wide = Span(max(0.0, span.start - margin), min(seconds, span.end + margin))
        if merged and wide.start - merged[-1].end <= gap:
            merged[-1] = Span(merged[-1].start, wide.end)
        else:
            merged.append(wide)
    return merged

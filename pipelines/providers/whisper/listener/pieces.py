"""Cuts a sound into pieces that the speech model can take in one look (30 s), in the pauses where there are any."""

from dataclasses import dataclass

import numpy as np

from .voice import QUIET, WINDOW_SECONDS, Probabilities, Span

LONGEST_SECONDS = 29.0  # the model sees 30
_EARLIEST_SECONDS = 15.0  # a piece is not cut before; short pieces cost as much as long ones
_PAUSE_WINDOWS = 7  # 0.22 s: as quiet as its quietest place has to be for a cut that harms no word


@dataclass(frozen=True, slots=True)
class Piece:
    """What is listened to at a time. `clean`: it ends in a pause; otherwise its last words are heard again by the next."""

    start: float
    end: float
    clean: bool


def next_piece(runs: list[Span], probabilities: Probabilities, position: float) -> Piece | None:
    """The first piece of the runs that begins at `position` or later; None when all is heard."""
    for run in runs:
        start = max(run.start, position)
        if run.end - start > WINDOW_SECONDS:
            return _cut(Span(start, run.end), probabilities)
    return None


def _cut(rest: Span, probabilities: Probabilities) -> Piece:
    if rest.end - rest.start <= LONGEST_SECONDS:
        return Piece(rest.start, rest.end, clean=True)
    first = int((rest.start + _EARLIEST_SECONDS) / WINDOW_SECONDS)
    last = int((rest.start + LONGEST_SECONDS) / WINDOW_SECONDS)
    voice = np.convolve(probabilities[first:last], np.ones(_PAUSE_WINDOWS) / _PAUSE_WINDOWS, mode="valid")
    quietest = len(voice) - 1 - int(np.argmin(voice[::-1]))  # the last of equals
    moment = (first + quietest + _PAUSE_WINDOWS / 2) * WINDOW_SECONDS
    return Piece(rest.start, moment, clean=bool(voice[quietest] < QUIET))

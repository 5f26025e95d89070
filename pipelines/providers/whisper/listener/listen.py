"""Listens to a whole sound: finds the voice, hears it piece by piece, and gathers the words on one clock."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .model import Model
from .pieces import LONGEST_SECONDS, Piece, next_piece
from .sound import RATE, Samples, Sound
from .voice import Probabilities, Span, find_speech, measure_voice, merge
from .words import Heard, clean, put_in_order

_VOICE_SHARE = 0.05  # of all the time that listening takes
_SILENCE_SECONDS = 2.0  # a longer one is not listened to: the model makes up words in silence
_MARGIN_SECONDS = 0.2  # of silence around what is heard in one piece
_UNSURE_SECONDS = 1.0  # how much of the end of a piece cut within speech is left to the next one
_LEAST_SECONDS = 10.0  # by how much a piece must bring us forward to be cut so

Report = Callable[[float], None]


def listen(sound: Sound, load: Callable[[], Model], language: str | None, report: Report) -> dict[str, Any]:
    """Words (text, start, end, probability) and speech (start, end) of the sound as JSON values.

    The model is loaded only when there is speech. `report` gets how much is done, 0 to 1, every few seconds of work.
    """
    probabilities = measure_voice(sound, lambda fraction: report(_VOICE_SHARE * fraction))
    speech = find_speech(probabilities, sound.seconds)
    runs = merge(speech, gap=_SILENCE_SECONDS, margin=_MARGIN_SECONDS, seconds=sound.seconds)
    chosen, words = language or "en", []
    if runs:
        model = load()
        chosen = model.choose_language(language, _sample(sound, runs))
        words = _hear_all(sound, model, chosen, runs, probabilities, report=report)
    report(1.0)
    return {
        "words": [_word_values(word) for word in words],
        "speech": [(round(span.start, 3), round(span.end, 3)) for span in speech],
        "seconds": sound.seconds,
        "language": chosen,
    }


def _word_values(word: Heard) -> tuple[str, float, float, float]:
    return word.text, round(word.start, 3), round(word.end, 3), round(word.probability, 4)


def _sample(sound: Sound, runs: list[Span]) -> Samples:
    """What the language is told by: speech of as many runs as fit into one look."""
    parts, room = [np.zeros(0, np.float32)], LONGEST_SECONDS
    for run in runs:
        parts.append(_samples(sound, run.start, min(run.end, run.start + room)))
        room -= run.end - run.start
        if room <= 0:
            break
    return np.concatenate(parts)


def _samples(sound: Sound, start: float, end: float) -> Samples:
    return sound.read(round(start * RATE), round(end * RATE))


def _hear_all(
    sound: Sound, model: Model, language: str, runs: list[Span], probabilities: Probabilities, *, report: Report
) -> list[Heard]:
    words: list[Heard] = []
    position = 0.0
    while piece := next_piece(runs, probabilities, position):
        parts, looping = model.hear(_samples(sound, piece.start, piece.end), piece.start, language)
        heard = clean(parts, probabilities, looping=looping, spaced=model.writes_spaces(language))
        kept, position = settle(piece, heard)
        words += kept
        report(_VOICE_SHARE + (1 - _VOICE_SHARE) * _share(runs, position))
    return put_in_order(words, sound.seconds)


def settle(piece: Piece, words: list[Heard]) -> tuple[list[Heard], float]:
    """The words that count, and where to listen on. A cut within speech is moved back to the end of a word before it.

    So no word at the border is lost or heard twice; without such a word (the model is at a loss) the cut stays.
    """
    sure = [word for word in words if word.end <= piece.end - _UNSURE_SECONDS]
    if piece.clean or not sure or sure[-1].end < piece.start + _LEAST_SECONDS:
        return words, piece.end
    return sure, sure[-1].end


def _share(runs: list[Span], position: float) -> float:
    heard = sum(min(run.end, position) - run.start for run in runs if run.start < position)
    return heard / sum(run.end - run.start for run in runs)

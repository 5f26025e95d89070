"""The speech model: what language a sound is in, and what is said in one piece of it."""

from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from .ends import UnusableModel
from .sound import RATE, Samples
from .words import Heard

# Greedily first; what repeats itself or is improbable is tried again less so. The seed makes that repeatable.
_TEMPERATURES = (0.0, 0.2, 0.4)
_LOOP_RATIO = 2.4  # text that compresses better goes round and round (Whisper's own threshold)
_MOST_TOKENS, _TOKENS_PER_SECOND = 224, 12  # 224 is what Whisper itself writes of 30 s; the rest is heard in another look
_UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}  # languages that faster-whisper splits by character


class Model:
    """A loaded model that was seen to work. Raises UnusableModel when it does not."""

    def __init__(self, folder: Path, threads: int) -> None:
        try:
            self._whisper = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
            )
            self.hear(np.zeros(RATE, np.float32), 0.0, "en")  # a broken vocabulary or configuration shows only now
        except MemoryError:
            raise
        except Exception as error:  # tokenizers raises nothing more special for a broken file
            raise UnusableModel(f"the speech model {folder.name} does not work: {error}") from error

    def choose_language(self, wanted: str | None, sample: Samples) -> str:
        """The language to listen for (ISO 639-1): the wanted one, else what is heard in `sample` of speech."""
        known: list[str] = self._whisper.supported_languages
        if wanted and wanted not in known:
            names = "English" if known == ["en"] else f"{len(known)} languages"
            raise UnusableModel(f"the speech model knows {names}, but not {wanted!r}")
        if wanted or len(known) == 1:
            return wanted or known[0]
        return str(self._whisper.detect_language(sample)[0])

    @staticmethod
    def writes_spaces(language: str) -> bool:
        """Whether the words of a language are told apart by spaces."""
        return language not in _UNSPACED

    def hear(self, piece: Samples, start: float, language: str) -> tuple[list[Heard], bool]:
        """Parts of words said in at most 30 s that begin at second `start`, and whether they go round and round.

        The same sound gives the same words.
        """
        ctranslate2.set_random_seed(1)
        segments, _ = self._whisper.transcribe(
            piece,
            language=language,
            beam_size=1,  # five took half as long again and heard no better (WER 11.2 against 11.1 % over six sounds)
            temperature=_TEMPERATURES,
            best_of=1,  # of a retry; five, the default, heard no better (the same six sounds)
            compression_ratio_threshold=_LOOP_RATIO,
            condition_on_previous_text=False,  # a text that leads on from one look to the next leads loops on, too
            word_timestamps=True,
            max_new_tokens=min(_MOST_TOKENS, 24 + int(_TOKENS_PER_SECOND * len(piece) / RATE)),
        )
        phrases = list(segments)
        looping = any(phrase.compression_ratio > _LOOP_RATIO for phrase in phrases)
        return [_part(part, start) for phrase in phrases for part in phrase.words], looping


def _part(part: Any, start: float) -> Heard:  # noqa: ANN401  (faster-whisper publishes no types)
    return Heard(part.word, start + float(part.start), start + float(part.end), float(part.probability))

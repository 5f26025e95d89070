"""Synthetic speech, whose true word times are known, as the WAV that the listener wants; and what it hears in it."""

import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipelines.providers.whisper import transcribe
from pipelines.transcript import Transcript
from tests.media import LocalRun, ffmpeg

DATA = Path(__file__).parents[3] / "data" / "speech"
RATE = 16_000


def write_wav(path: Path, samples: np.ndarray, *, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


@dataclass(frozen=True)
class Said:
    text: str
    start: float
    end: float


@pytest.fixture(scope="session")
def said() -> list[Said]:
    plain = json.loads((DATA / "speech.json").read_text())
    return [Said(**word) for word in plain["words"]]


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("speech") / "speech.wav"
    ffmpeg("-i", DATA / "speech.opus", "-ar", str(RATE), "-ac", "1", "-c:a", "pcm_s16le", "-bitexact", target)
    return target


@dataclass(frozen=True)
class Heard:
    transcript: Transcript
    progress: list[float]


def listen(sound: Path, folder: Path, **options: object) -> Heard:
    progress: list[float] = []
    settings = {"model": "tiny.en", "threads": 2, "progress": progress.append, **options}
    return Heard(transcribe(LocalRun(folder), sound, folder=folder, **settings), progress)


@pytest.fixture(scope="session")
def heard(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    return listen(speech, tmp_path_factory.mktemp("attempt"))

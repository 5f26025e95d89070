"""Puts sound and slides on one clock, and encodes them."""

import math
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from script import Planted, Script, Sentence, Slide
from slides import HEIGHT, THEMES, WIDTH, draw
from voice import Sound, Span, speak

FRAMES_PER_SECOND = 25
LEAD_SECONDS, PAUSE_SECONDS, TURN_SECONDS, TAIL_SECONDS = (
    0.6,
    0.35,
    0.8,
    1.4,
)  # silence: before, between sentences, slides, after
FADE_SECONDS = 0.4
LOUDNESS = 0.09  # root mean square of the speech, about -21 dB below full scale
ROOM = 0.0004  # so that a pause is a quiet room, not a dead line

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Take:
    """A sentence as it was spoken, on the clip's clock."""

    sentence: Sentence
    slide: int
    span: Span
    planted: tuple[tuple[Planted, Span], ...]


@dataclass(frozen=True, slots=True)
class Film:
    """What was spoken when, what is shown when, and the sound of it all."""

    script: Script
    takes: tuple[Take, ...]
    shown: tuple[Span, ...]  # one for each slide, from the middle of one fade to the middle of the next
    sound: Sound
    rate: int

    @property
    def duration_seconds(self) -> float:
        """Of the sound and of the picture."""
        return len(self.sound) / self.rate


def record(script: Script) -> Film:
    """Speak the whole script, and let each slide stand while its sentences are spoken."""
    pieces: list[Sound] = []
    takes: list[Take] = []
    turns = [0.0]
    rate, silence, now = 0, LEAD_SECONDS, 0.0
    for number, slide in enumerate(script.slides):
        for sentence in slide.spoken:
            planted = script.phrases_in(sentence)
            spoken = speak(sentence.say, [item.phrase for item in planted], seed=script.seed, pace=script.pace)
            rate = spoken.rate
            pieces += [_silence(silence, rate), spoken.sound]
            begin = sum(map(len, pieces[:-1])) / rate
            spans = (_moved(span, begin) for span in spoken.phrases)
            takes.append(Take(sentence, number, _moved(spoken.span, begin), tuple(zip(planted, spans, strict=True))))
            now, silence = begin + len(spoken.sound) / rate, PAUSE_SECONDS
        turns.append(now + TURN_SECONDS / 2)
        silence = TURN_SECONDS
    sound = _level(np.concatenate([*pieces, _silence(TAIL_SECONDS, rate)]), rate, script.seed)
    turns[-1] = len(sound) / rate
    return Film(script, tuple(takes), tuple(pairwise(turns)), sound, rate)


def _moved(span: Span, seconds: float) -> Span:
    return span[0] + seconds, span[1] + seconds


def _silence(seconds: float, rate: int) -> Sound:
    return np.zeros(round(seconds * rate), np.float32)


def _level(sound: Sound, rate: int, seed: int) -> Sound:
    """The whole in one gain, so that the voice keeps its emphasis; padded to a whole frame of picture."""
    padding = -len(sound) % (rate // FRAMES_PER_SECOND)
    sound = np.concatenate([sound, np.zeros(padding, np.float32)])
    speech = sound[np.abs(sound) > 0.01]  # noqa: PLR2004  (of full scale: what is softer is breath and silence)
    gain = min(LOUDNESS / float(np.sqrt(np.mean(speech**2))), 0.9 / float(np.abs(sound).max()))
    room = np.random.default_rng(seed).normal(0, ROOM, len(sound))
    return (sound * gain + room).astype(np.float32)


def encode(film: Film, path: Path) -> None:
    """Write the clip as MP4 (H.264 and AAC), ready to be played while it loads. A file that stood there is replaced at the end."""
    unfinished, sound = path.with_suffix(".part.mp4"), path.with_suffix(".part.wav")
    try:
        _write_wave(film, sound)
        with subprocess.Popen(_command(film, sound, unfinished), stdin=subprocess.PIPE) as child:
            if child.stdin is None:
                raise RuntimeError("ffmpeg was started without an input")
            for frame in _frames(film):
                child.stdin.write(frame)
        if child.returncode:
            raise RuntimeError(f"ffmpeg ended with {child.returncode}")
        unfinished.replace(path)
    finally:
        sound.unlink(missing_ok=True)
        unfinished.unlink(missing_ok=True)


def _write_wave(film: Film, path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(film.rate)
        file.writeframes((film.sound * 32767).round().astype("<i2").tobytes())


def _command(film: Film, sound: Path, result: Path) -> list[str]:
    picture = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FRAMES_PER_SECOND), "-i", "pipe:0"]
    scaled = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p"
    colours = ["-vf", f"{scaled},setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"]
    # Two threads whatever the machine has: x264's choices depend on their number.
    h264 = ["-c:v", "libx264", "-preset", "veryslow", "-tune", "animation", "-crf", "19", "-g", "250", "-threads", "2"]
    aac = ["-c:a", "aac", "-b:a", "80k", "-ar", "44100", "-ac", "1"]
    exact = [
        "-flags:v",
        "+bitexact",
        "-flags:a",
        "+bitexact",
        "-fflags",
        "+bitexact",
        "-metadata",
        f"title={film.script.title}",
    ]
    start = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", "-y"]
    return [*start, *picture, "-i", str(sound), *colours, *h264, *aac, *exact, "-movflags", "+faststart", str(result)]


def _frames(film: Film) -> Iterator[bytes]:
    slides = [_pixels(film.script, slide) for slide in film.script.slides]
    theme = THEMES[film.script.theme]
    bar = np.array(ImageColor.getrgb(theme.petals[1]), np.uint8)
    total = round(film.duration_seconds * FRAMES_PER_SECOND)
    for number in range(total):
        frame = _at(film, slides, number / FRAMES_PER_SECOND).copy()
        frame[-6:, : math.ceil(WIDTH * (number + 1) / total)] = bar
        yield frame.tobytes()


def _at(film: Film, slides: list[Frame], time: float) -> Frame:
    """The slide that stands then; around each turn, the two laid over each other."""
    number = next(index for index, (_, end) in enumerate(film.shown) if time < end)
    begin, end = film.shown[number]
    if number and time < begin + FADE_SECONDS / 2:
        return _blend(slides[number - 1], slides[number], 0.5 + (time - begin) / FADE_SECONDS)
    if number + 1 < len(slides) and time > end - FADE_SECONDS / 2:
        return _blend(slides[number], slides[number + 1], 0.5 - (end - time) / FADE_SECONDS)
    return slides[number]


def _blend(old: Frame, new: Frame, share: float) -> Frame:
    eased = share * share * (3 - 2 * share)
    return (old * (1 - eased) + new * eased).round().astype(np.uint8)


def _pixels(script: Script, slide: Slide) -> Frame:
    return np.asarray(draw(script, slide))

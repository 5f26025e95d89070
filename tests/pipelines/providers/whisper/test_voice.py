from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from hypothesis import given
from hypothesis import strategies as st

from pipelines.providers.whisper.listener.pieces import LONGEST_SECONDS, Piece, next_piece
from pipelines.providers.whisper.listener.sound import Sound
from pipelines.providers.whisper.listener.voice import WINDOW_SECONDS, Span, find_speech, measure_voice, merge
from tests.pipelines.providers.whisper.conftest import RATE, read_wav, write_wav


def test_a_voice_is_measured_in_blocks_as_it_is_in_one(speech: Path, tmp_path: Path) -> None:
    samples = np.tile(read_wav(speech), 4)  # 50 s: two blocks
    sound = Sound(write_wav(tmp_path / "long.wav", samples))
    done: list[float] = []
    measured = measure_voice(sound, done.append)
    whole = sound.read(0, sound.samples)
    in_one = get_vad_model()(np.pad(whole, (0, -len(whole) % 512))).reshape(-1)
    assert np.allclose(measured[:-1], in_one[:-1], atol=1e-4)  # but the last window, whose end the library blanks
    assert done == sorted(done)
    assert done[-1] == 1.0


def test_a_click_is_no_speech_and_a_short_word_is() -> None:
    probabilities = np.zeros(200, np.float32)
    probabilities[50:54] = 0.9  # 0.13 s
    probabilities[100:108] = 0.9  # 0.26 s
    (span,) = find_speech(probabilities, 6.4)
    assert (span.start, span.end) == (pytest.approx(3.1), pytest.approx(3.556))


def test_a_breath_does_not_end_a_stretch_and_a_pause_does() -> None:
    probabilities = np.full(200, 0.9, np.float32)
    probabilities[50:58] = 0.1  # 0.26 s
    probabilities[100:125] = 0.1  # 0.8 s
    assert [round(span.start, 1) for span in find_speech(probabilities, 6.4)] == [0.0, 3.9]


probability_lists = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.integers(1, 1500)), max_size=12)


def make(levels: list[tuple[float, int]]) -> tuple[np.ndarray, float]:
    probabilities = np.concatenate([np.zeros(0, np.float32), *(np.full(count, level, np.float32) for level, count in levels)])
    return probabilities, len(probabilities) * WINDOW_SECONDS


@given(probability_lists)
def test_stretches_rise_apart_within_the_sound(levels: list[tuple[float, int]]) -> None:
    spans = find_speech(*make(levels))
    seconds = make(levels)[1]
    assert all(0 <= span.start < span.end <= seconds for span in spans)
    assert all(before.end < after.start for before, after in pairwise(spans))


@given(probability_lists)
def test_pieces_cover_all_speech_once_and_none_is_longer_than_a_look(levels: list[tuple[float, int]]) -> None:
    probabilities, seconds = make(levels)
    runs = merge(find_speech(probabilities, seconds), gap=2.0, margin=0.2, seconds=seconds)
    pieces: list[Piece] = []
    while piece := next_piece(runs, probabilities, pieces[-1].end if pieces else 0.0):
        pieces.append(piece)
    assert all(0 < piece.end - piece.start <= LONGEST_SECONDS for piece in pieces)
    assert merge([Span(piece.start, piece.end) for piece in pieces], gap=0.0, margin=0.0, seconds=seconds) == runs


def test_a_long_run_is_cut_in_its_quietest_place() -> None:
    probabilities = np.ones(2000, np.float32)
    probabilities[700:715] = 0.0  # a pause at 22.6 s
    piece = next_piece([Span(0.0, 64.0)], probabilities, 0.0)
    assert piece is not None
    assert piece.clean
    assert 22.4 <= piece.end <= 22.9


def test_a_run_without_a_pause_is_cut_late_and_known_to_be_so() -> None:
    piece = next_piece([Span(0.0, 64.0)], np.ones(2000, np.float32), 0.0)
    assert piece is not None
    assert not piece.clean
    assert piece.end > 28


def test_a_sound_is_read_in_place_and_not_beyond_its_end(tmp_path: Path) -> None:
    samples = np.linspace(-1, 1, RATE)
    sound = Sound(write_wav(tmp_path / "ramp.wav", samples))
    assert np.allclose(sound.read(100, 105), samples[100:105], atol=1e-3)
    assert len(sound.read(RATE - 3, RATE + 99)) == 3
    assert len(sound.read(RATE + 9, RATE + 99)) == 0
    assert [len(block) for block in sound.blocks(9000)] == [9000, 7000]

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.errors import Misconfigured, Permanent
from pipelines.transcript import Stretch, Transcript
from tests.media import LocalRun
from tests.pipelines.providers.whisper.conftest import RATE, Heard, Said, listen, read_wav, write_wav


def plain(text: str) -> list[str]:
    return ["".join(mark for mark in word if mark.isalnum()) for word in text.lower().split()]


def test_every_word_is_heard_in_its_order(heard: Heard, said: list[Said]) -> None:
    assert plain(heard.transcript.text) == plain(" ".join(word.text for word in said))


def test_words_keep_their_punctuation_and_no_white_space(heard: Heard) -> None:
    texts = [word.text for word in heard.transcript.words]
    assert texts[-1] == "leaving."
    assert all(text == text.strip() and " " not in text for text in texts)


def test_a_word_is_heard_when_it_was_said(heard: Heard, said: list[Said]) -> None:
    for word, true in zip(heard.transcript.words, said, strict=True):
        assert abs(word.start_seconds - true.start) < 0.3, true
        assert abs(word.end_seconds - true.end) < 0.3, true


def assert_lawful(transcript: Transcript) -> None:
    ends = [moment for word in transcript.words for moment in (word.start_seconds, word.end_seconds)]
    assert ends == sorted(ends)
    assert all(word.start_seconds < word.end_seconds and 0 <= word.probability <= 1 for word in transcript.words)
    assert all(0 <= end <= transcript.duration_seconds for end in ends)
    assert all(before.end_seconds < after.start_seconds for before, after in pairwise(transcript.speech))


def test_words_rise_and_stay_within_the_sound(heard: Heard) -> None:
    assert_lawful(heard.transcript)
    assert heard.transcript.duration_seconds == pytest.approx(12.6, abs=0.1)


def test_speech_is_where_words_are_and_not_where_a_pause_is(heard: Heard, said: list[Said]) -> None:
    speech = heard.transcript.speech
    assert len(speech) == 3
    assert all(any(part.start_seconds <= (word.start + word.end) / 2 <= part.end_seconds for part in speech) for word in said)
    assert speech[2].start_seconds - speech[1].end_seconds > 2.5


def test_clear_speech_is_heard_with_confidence(heard: Heard) -> None:
    assert np.mean([word.probability for word in heard.transcript.words]) > 0.85


def test_progress_rises_to_the_end(heard: Heard) -> None:
    assert heard.progress == sorted(heard.progress)
    assert heard.progress[-1] == 1.0


def test_the_record_names_library_and_model_and_no_folder(heard: Heard) -> None:
    assert heard.transcript.language == "en"
    assert heard.transcript.engine.startswith("faster-whisper ")
    assert heard.transcript.engine.endswith(" tiny.en sha256:1a5afae06a4d")


def test_listening_again_hears_the_same(heard: Heard, speech: Path, tmp_path: Path) -> None:
    assert listen(speech, tmp_path).transcript == heard.transcript


def test_no_word_is_lost_or_doubled_where_a_long_talk_is_cut(speech: Path, tmp_path: Path) -> None:
    whole = read_wav(speech)
    sentences = [whole[int(start * RATE) : int(end * RATE)] for start, end in ((0.5, 3.2), (3.72, 6.6), (9.58, 12.1))]
    texts = (
        "good morning our bakery opens early today",
        "fresh bread is warm but cold water costs nothing",
        "please close every kitchen window before leaving",
    )
    order = (0, 1, 2, 1, 0, 2, 2, 0, 1, 1, 2, 0)  # 32 s without a pause
    talk = write_wav(tmp_path / "talk.wav", np.concatenate([sentences[place] for place in order]))
    found = listen(talk, tmp_path).transcript
    assert plain(found.text) == " ".join(texts[place] for place in order).split()
    assert_lawful(found)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(int(seconds * RATE)) * 0.1


def test_silence_gives_no_words(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "silence.wav", np.zeros(5 * RATE))
    found = listen(sound, tmp_path)
    assert found.transcript == Transcript((), (), 5.0, "en", found.transcript.engine)


def test_noise_gives_no_words(tmp_path: Path) -> None:
    assert listen(write_wav(tmp_path / "noise.wav", noise(8)), tmp_path).transcript.words == ()


def test_a_humming_that_passes_for_a_voice_is_speech_without_words(tmp_path: Path) -> None:
    time = np.arange(6 * RATE) / RATE
    hum = 0.3 * np.sin(2 * np.pi * 200 * time) * (1 + np.sin(2 * np.pi * 4 * time)) / 2
    found = listen(write_wav(tmp_path / "hum.wav", hum), tmp_path).transcript
    assert found.words == ()
    assert found.speech == (Stretch(pytest.approx(0.2, abs=0.3), 6.0),)


@pytest.mark.parametrize("samples", [0, 1, 511, 513])
def test_a_sound_of_nearly_nothing_is_heard_to_its_end(samples: int, tmp_path: Path) -> None:
    found = listen(write_wav(tmp_path / "short.wav", np.zeros(samples)), tmp_path).transcript
    assert (found.words, found.duration_seconds) == ((), samples / RATE)


def test_speech_in_noise_is_heard_in_its_place(speech: Path, said: list[Said], tmp_path: Path) -> None:
    clean = read_wav(speech)
    noisy = clean + np.resize(noise(3), len(clean)) * clean.std() * 4  # about 8 dB below the voice
    found = listen(write_wav(tmp_path / "noisy.wav", noisy), tmp_path).transcript
    heard = {word: place.start_seconds for place in found.words for word in plain(place.text)}
    right = [true for true in said for word in plain(true.text) if abs(heard.get(word, -9) - true.start) < 0.5]
    assert len(right) > 0.8 * len(said)


def test_a_name_may_hold_anything_that_a_file_name_may(speech: Path, heard: Heard, tmp_path: Path) -> None:
    folder = tmp_path / "a folder\n%s"
    folder.mkdir()
    sound = folder / "--model 'x' \udcff.wav"
    sound.write_bytes(speech.read_bytes())
    assert listen(sound, folder).transcript == heard.transcript


def test_a_language_that_the_model_does_not_know_is_refused(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"knows English, but not 'de': set WHISPER_MODEL"):
        listen(speech, tmp_path, language="de")


def test_another_kind_of_sound_is_refused(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "stereo.wav", np.zeros(8820), rate=44_100, channels=2)
    with pytest.raises(Permanent, match=r"44100 Hz, 2 channels, 16 bits: not 16 kHz, mono, 16 bits: extract the sound again"):
        listen(sound, tmp_path)


def test_a_sound_that_was_cut_off_is_refused_rather_than_heard_in_part(speech: Path, tmp_path: Path) -> None:
    sound = tmp_path / "cut.wav"
    sound.write_bytes(speech.read_bytes()[:100_000])
    with pytest.raises(Permanent, match="cut off"):
        listen(sound, tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f", b"not a sound at all " * 99]
)
def test_what_is_no_sound_is_refused(content: bytes, tmp_path: Path) -> None:
    sound = tmp_path / "garbage.wav"
    sound.write_bytes(content)
    with pytest.raises(Permanent, match="not a WAV file"):
        listen(sound, tmp_path)


def test_the_child_runs_isolated_and_sees_only_what_it_needs(speech: Path, tmp_path: Path) -> None:
    run = LocalRun(tmp_path)
    seen: list[Path] = []

    def watch(argv: list[str], **options: object) -> object:
        seen.extend(options["inputs"])
        return run(argv, **options)

    from pipelines.providers.whisper import transcribe

    transcribe(watch, speech, folder=tmp_path, model="tiny.en", threads=1, progress=lambda _: None)
    assert run.calls[0][1] == "-I"
    assert [path.name for path in seen] == ["speech.wav", "model", "listener"]

import re
import subprocess
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.providers.ffmpeg.command import program
from pipelines.transcript import Transcript, Word
from pipelines.transcript.captions import GAP_MS, Cue, make_cues, to_srt, to_webvtt


def transcript(*words: Word, seconds: float | None = None) -> Transcript:
    end = max((word.end_seconds for word in words), default=0.0)
    return Transcript(words, (), end + 5 if seconds is None else seconds, "en", "test")


def talk(text: str, *, start: float = 0.0, each: float = 0.35) -> list[Word]:
    """Words at a steady pace, with a pause of 0.4 s after each sentence."""
    words = []
    for word in text.split():
        words.append(Word(word, start, start + each, 0.9))
        start += each + (0.4 if word[-1] in ".?!" else 0.0)
    return words


def lines(text: str, **options: float) -> list[tuple[str, ...]]:
    return [cue.lines for cue in make_cues(transcript(*talk(text, **options)))]


def test_a_short_sentence_is_one_line() -> None:
    assert lines("The bread is warm.") == [("The bread is warm.",)]


def test_a_long_sentence_is_two_lines_broken_at_its_comma() -> None:
    spoken = "We opened the second oven in April, and the morning queue became much shorter."
    assert lines(spoken, each=0.3) == [("We opened the second oven in April,", "and the morning queue became much shorter.")]


def test_cues_end_where_sentences_do() -> None:
    spoken = "We have ordered a new one and it came today. They like the staff and they like the window."
    assert [" ".join(cue)[-1] for cue in lines(spoken)] == [".", "."]


def test_a_cue_does_not_end_in_a_word_that_clings_to_the_next() -> None:
    spoken = (
        "please keep it between us because the deal with the coffee roaster at the end of the road is not signed by the owner"
    )
    assert not any(cue[-1].endswith((" the", " of", " with", " at", " by", " is")) for cue in lines(spoken))


def test_a_single_word_is_not_left_over() -> None:
    spoken = "When you close in the evening check the fridge and the back door and the lights over the counter carefully"
    assert all(len(" ".join(cue).split()) > 2 for cue in lines(spoken))


def test_a_cue_does_not_reach_over_a_long_pause() -> None:
    cues = make_cues(transcript(*talk("Now we wait"), *talk("and go on", start=4.0)))
    assert [cue.lines for cue in cues] == [("Now we wait",), ("and go on",)]
    assert cues[0].end_ms < 2200


def test_a_short_word_stands_for_a_second() -> None:
    (cue,) = make_cues(transcript(Word("No?", 3.0, 3.2, 0.9)))
    assert (cue.start_ms, cue.end_ms) == (3000, 4000)


def test_a_cue_stays_long_enough_to_be_read() -> None:
    (cue,) = make_cues(transcript(*talk("Grass that is cut too short dries out faster", each=0.1)))
    assert 44 / 20 * 1000 - 100 < cue.end_ms - cue.start_ms <= 44 / 20 * 1000


def test_the_last_cue_ends_with_the_sound() -> None:
    (cue,) = make_cues(transcript(Word("Bye.", 3.0, 3.2, 0.9), seconds=3.4))
    assert cue.end_ms == 3400


def test_a_word_longer_than_a_line_has_its_own() -> None:
    long = "x" * 60
    assert lines(f"before {long} after") == [("before",), (long,), ("after",)]


def test_no_words_are_no_cues_and_valid_files() -> None:
    assert make_cues(transcript()) == ()
    assert to_webvtt(()) == "WEBVTT\n"
    assert to_srt(()) == ""


def test_ten_thousand_words_are_laid_out_in_seconds() -> None:
    words = talk("and so we went on, and on, to the end of the long street where it was. " * 600)
    started = time.monotonic()
    make_cues(transcript(*words))
    assert time.monotonic() - started < 10


texts = st.one_of(st.text(max_size=12), st.text("abc .,-<>&{}\n", min_size=1, max_size=60))


@st.composite
def spoken_words(draw: st.DrawFn) -> list[Word]:
    """Words in the order of time, some at the same moment, over one another, far apart, or hours late."""
    start = draw(st.sampled_from([0.0, 3599.5, 90_000.0]))
    words = []
    for text in draw(st.lists(texts, max_size=60)):
        length = draw(st.sampled_from([0.0, 0.01, 0.2, 0.5, 2.0, 9.0]))
        words.append(Word(text, start, start + length, 0.9))
        start += draw(st.sampled_from([0.0, 0.0004, 0.1, 0.3, 1.0, 4.0]))
    return words


def visible(text: str) -> str:
    return "".join(mark for mark in text if mark.isprintable() and mark != " ")


@given(spoken_words())
def test_every_word_is_in_the_cues_in_its_order(words: list[Word]) -> None:
    shown = "".join(line for cue in make_cues(transcript(*words)) for line in cue.lines)
    assert visible(shown) == visible("".join(word.text for word in words))


@given(spoken_words())
def test_cues_rise_never_overlap_and_last_at_most_seven_seconds(words: list[Word]) -> None:
    cues = make_cues(transcript(*words))
    assert all(0 < cue.end_ms - cue.start_ms <= 7000 for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))
    roomy = [pair for pair in pairwise(cues) if pair[1].start_ms - pair[0].start_ms >= 500]
    assert all(after.start_ms - before.end_ms >= GAP_MS for before, after in roomy)


@given(spoken_words())
def test_lines_keep_their_limits_unless_one_word_is_longer(words: list[Word]) -> None:
    for cue in make_cues(transcript(*words)):
        one_word = len(cue.lines) == 1 and any(cue.lines[0] == " ".join(word.text.split()) for word in words)
        assert 1 <= len(cue.lines) <= 2
        assert all(cue.lines)
        assert one_word or all(len(line) <= 42 for line in cue.lines)


@dataclass(frozen=True)
class Read:
    start: str
    end: str
    text: str


TIMES = re.compile(r"(\d{2,}:\d{2}:\d{2}[.,]\d{3}) --> (\d{2,}:\d{2}:\d{2}[.,]\d{3})")


def read_webvtt(content: str) -> list[Read]:
    """What the W3C's parser makes of it: blocks between blank lines, the three escapes read back, no tags allowed."""
    head, *blocks = re.split(r"\n{2,}", content.strip("\n"))
    assert head == "WEBVTT"
    read = []
    for block in blocks:
        times, *rest = block.split("\n")
        start, end = TIMES.fullmatch(times).groups()
        raw = "\n".join(rest)
        assert not re.search(r"[<>\r]|&(?!amp;|lt;|gt;)", raw)
        read.append(Read(start, end, raw.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")))
    return read


def read_srt(content: str) -> list[Read]:
    read = []
    for number, block in enumerate(filter(None, re.split(r"\n{2,}", content.strip("\n"))), 1):
        index, times, *rest = block.split("\n")
        assert index == str(number)
        start, end = TIMES.fullmatch(times).groups()
        raw = "\n".join(rest)
        assert "-->" not in raw
        assert not re.search(r"<[a-z/]|\{\\", raw)
        read.append(Read(start.replace(",", "."), end.replace(",", "."), raw.replace("\u2060", "")))
    return read


@given(spoken_words())
def test_both_files_are_read_back_as_the_cues_that_were_written(words: list[Word]) -> None:
    cues = make_cues(transcript(*words))
    texts = ["\n".join(cue.lines) for cue in cues]
    assert [read.text for read in read_webvtt(to_webvtt(cues))] == texts
    assert [read.text for read in read_srt(to_srt(cues))] == [text.replace("\u2060", "") for text in texts]
    to_webvtt(cues).encode()


def test_times_beyond_an_hour_and_beyond_a_hundred_are_written_out() -> None:
    cues = [Cue(3_723_004, 3_724_000, ("a",)), Cue(360_000_000, 360_001_999, ("b",))]
    assert read_webvtt(to_webvtt(cues))[0] == Read("01:02:03.004", "01:02:04.000", "a")
    assert "100:00:00,000 --> 100:00:01,999" in to_srt(cues)


HOSTILE = "Ham & eggs --> <b>bold</b> {\\an8}top &lt; a<b\n\nNOTE 7"


def converted(path: Path, form: str) -> str:
    argv = [program("ffmpeg"), "-v", "error", "-i", str(path), "-f", form, "-"]
    done = subprocess.run(argv, check=True, capture_output=True, timeout=30)
    assert done.stderr == b""
    return done.stdout.decode()


@pytest.fixture
def cues() -> tuple[Cue, ...]:
    words = [*talk(HOSTILE, start=0.5), *talk("And so we went on, past the hour.", start=3700.25)]
    return make_cues(transcript(*words))


def test_ffmpeg_reads_the_webvtt_file_as_it_was_meant(cues: tuple[Cue, ...], tmp_path: Path) -> None:
    path = tmp_path / "captions.vtt"
    path.write_text(to_webvtt(cues), encoding="utf-8")
    read = converted(path, "srt")
    times = [(match[0].replace(",", "."), match[1].replace(",", ".")) for match in TIMES.findall(read)]
    assert times == [(entry.start, entry.end) for entry in read_webvtt(to_webvtt(cues))]
    assert "Ham & eggs" in read
    assert "&lt; a<b" in read


def test_ffmpeg_reads_the_subrip_file_as_it_was_meant(cues: tuple[Cue, ...], tmp_path: Path) -> None:
    path = tmp_path / "captions.srt"
    path.write_text(to_srt(cues), encoding="utf-8")
    read = converted(path, "srt").replace("\u2060", "")
    times = [(match[0].replace(",", "."), match[1].replace(",", ".")) for match in TIMES.findall(read)]
    assert times == [(entry.start, entry.end) for entry in read_webvtt(to_webvtt(cues))]
    assert "<b>bold</b> {\\an8}top" in read.replace("\n", " ")

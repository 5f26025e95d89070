from pathlib import Path

import pytest

from pipelines.providers.ffmpeg.ledger import Decoded, read_ledger
from pipelines.providers.ffmpeg.packets import Packets, Track


def track(*lines: str) -> Track:
    packets = Packets()
    for line in lines:
        packets(line)
    return packets.tracks[0]


def even(count: int, step: float) -> Track:
    return track(*(f"0,{number * step:.6f},,{step:.6f},{'K__' if number % 30 == 0 else '___'}" for number in range(count)))


def test_packets_are_put_in_the_order_in_which_they_are_shown() -> None:
    found = track("0,0.1,0.0,0.1,K__", "0,0.3,0.1,0.1,___", "0,0.2,0.2,0.1,___")
    assert found.ordered == [0.1, 0.2, 0.3]
    assert (found.start, found.end, found.keyframes) == (0.1, pytest.approx(0.4), [0.1])


def test_a_packet_without_a_showing_time_counts_by_its_decoding_time() -> None:
    assert track("0,N/A,0.5,N/A,K__").ordered == [0.5]


def test_a_packet_that_an_edit_list_hides_is_not_shown_but_is_there() -> None:
    found = track("0,0.0,0.0,1.0,K__", "0,1.0,1.0,1.0,_D_")
    assert (found.packets, found.end, found.extent) == (1, 1.0, 2.0)


def test_a_last_packet_without_a_length_lasts_as_long_as_the_others() -> None:
    assert track("0,0.0,,N/A,K__", "0,0.5,,N/A,___").end == 1.0


def test_lines_that_are_no_packets_are_passed_over() -> None:
    packets = Packets()
    for line in ("", "x", "0,N/A,N/A,N/A,K__", "0,1.0", "a,1,1,1,K__"):
        packets(line)
    assert packets.tracks == {}


def test_rounding_to_milliseconds_is_not_uneven() -> None:
    found = track(*(f"0,{round(number / 30, 3)},,0.033,K__" for number in range(90)))
    assert not found.varies
    assert found.rate == pytest.approx(30, rel=0.001)


def test_one_pause_is_not_uneven() -> None:
    found = track(*(f"0,{number / 30 + (number > 45):.6f},,0.033,K__" for number in range(90)))
    assert not found.varies
    assert found.rate == pytest.approx(30, rel=0.001)


def test_steps_that_alternate_are_uneven() -> None:
    assert track(*(f"0,{number / 30 + 0.012 * (number % 2):.6f},,0.033,K__" for number in range(90))).varies


def test_a_single_packet_has_no_rate() -> None:
    assert even(1, 0.04).rate == 0


def ledger(folder: Path, *lines: str) -> Decoded:
    path = folder / "ledger"
    path.write_text("#software: x\n#tb 0: 1/1000\n#dimensions 0: 16x16\n" + "".join(f"{line}\n" for line in lines))
    found = read_ledger(path)
    assert not path.exists()
    return found


def test_a_ledger_tells_frames_and_the_end(tmp_path: Path) -> None:
    assert ledger(tmp_path, "0, 0, 0, 40, 384, 0x1", "0, 40, 40, 40, 384, 0x1") == Decoded(2, 0.08)


def test_a_last_frame_without_a_length_lasts_as_long_as_the_one_before(tmp_path: Path) -> None:
    assert ledger(tmp_path, "0, 0, 0, 0, 384, 0x1", "0, 40, 40, 0, 384, 0x1") == Decoded(2, 0.08)


def test_an_empty_ledger_means_that_nothing_was_decoded(tmp_path: Path) -> None:
    assert ledger(tmp_path) == Decoded(0, 0.0)


def test_a_ledger_that_was_never_written_means_the_same(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "none") == Decoded(0, 0.0)

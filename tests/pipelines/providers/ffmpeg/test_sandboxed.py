"""The same calls in the real sandbox, whose child may be another user without a network."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.children import Limits, Output
from core.errors import Refused
from core.sandbox.run import Sandbox
from pipelines.providers.ffmpeg import extract_audio, make_ladder, probe, verify_ladder
from tests.conftest import let_in
from tests.media import make_clip
from tests.pipelines.providers.ffmpeg.bombs import make_bomb

MODEST_BYTES = 150 << 20


class SandboxRun:
    """The sandbox bound to one attempt's folder; remembers what each child needed."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.peaks: list[int] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        inputs: Sequence[Path] = (),
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        output = self.sandbox.run(argv, folder=self.folder, inputs=inputs, limits=limits, on_line=on_line)
        self.peaks.append(output.peak_memory_bytes)
        return output


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    return let_in(tmp_path)


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> SandboxRun:
    folder = tmp_path / "attempt"
    folder.mkdir()
    return SandboxRun(sandbox, folder)


def test_a_video_is_probed_in_the_sandbox(tmp_path: Path, run: SandboxRun) -> None:
    assert probe(run, make_clip(tmp_path / "clip.mp4")).video.packets == 60


def test_a_ladder_is_made_and_checked_in_the_sandbox(tmp_path: Path, run: SandboxRun) -> None:
    source = make_clip(tmp_path / "clip.mp4", size="480x360")
    found = probe(run, source)
    shares: list[float] = []
    ladder = make_ladder(run, source, found, run.folder, progress=shares.append)
    assert verify_ladder(run, run.folder, ladder, found).frames == 60
    assert shares[-1] == 1.0


def test_sound_is_extracted_in_the_sandbox(tmp_path: Path, run: SandboxRun) -> None:
    source = make_clip(tmp_path / "clip.mp4")
    extract_audio(run, source, probe(run, source), run.folder / "sound.wav")
    assert (run.folder / "sound.wav").stat().st_size > 60_000


@pytest.mark.parametrize("side", [30_000, 16_000])
def test_a_huge_picture_is_refused_before_it_takes_memory(side: int, tmp_path: Path, run: SandboxRun) -> None:
    with pytest.raises(Refused, match="too large"):
        probe(run, make_bomb(tmp_path / "bomb.mp4", side))
    assert max(run.peaks) < MODEST_BYTES


@pytest.mark.parametrize("side", [30_000, 16_000])
def test_a_huge_picture_behind_a_modest_header_takes_no_memory(side: int, tmp_path: Path, run: SandboxRun) -> None:
    source = make_bomb(tmp_path / "bomb.mp4", side, lying=True)
    with pytest.raises(Refused):
        make_ladder(run, source, probe(run, source), run.folder, progress=lambda _: None)
    assert max(run.peaks) < MODEST_BYTES

"""A short clip, and the whole way of one clip through probe, ladder and verification, in children without a sandbox."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.providers.ffmpeg import Ladder, Probe, Verification, make_ladder, probe, verify_ladder
from tests.media import LocalRun, make_clip


@dataclass(frozen=True)
class Made:
    clip: Path
    folder: Path
    probe: Probe
    ladder: Ladder
    progress: list[float]
    run: LocalRun

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(rung.width, rung.height) for rung in self.ladder.rungs]

    @property
    def best(self) -> Path:
        return self.folder / "video.mp4"

    def verify(self) -> Verification:
        return verify_ladder(LocalRun(self.folder), self.folder, self.ladder, self.probe)


def transcode(clip: Path, folder: Path) -> Made:
    """The ladder of a clip, made in the new `folder`."""
    folder.mkdir()
    run, progress = LocalRun(folder), list[float]()
    found = probe(run, clip)
    run.calls.clear()
    run.inputs.clear()
    ladder = make_ladder(run, clip, found, folder, progress=progress.append)
    return Made(clip, folder, found, ladder, progress, run)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 320 by 180, 30 frames a second, with a tone. Read only."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The ladder of a clip of five seconds with two rungs and two segments. Read only."""
    folder = tmp_path_factory.mktemp("made")
    return transcode(make_clip(folder / "clip.mp4", size="640x480", fps="10", seconds=5), folder / "ladder")


@pytest.fixture
def run(tmp_path: Path) -> LocalRun:
    folder = tmp_path / "attempt"
    folder.mkdir()
    return LocalRun(folder)

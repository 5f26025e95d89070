"""The main job: two clips in the watched folder."""

from collections.abc import Iterator

from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.main_job import CLIPS, drop, show_clips
from api_stub.cli.demo.stage import Stage

TITLE = "a watched folder: transcoded, transcribed, checked"


def begin(stage: Stage) -> None:
    """Drop them."""
    drop(stage.home)


def judge(stage: Stage, _begun: None) -> Iterator[Verdict]:
    """What came of them, by the script that is spoken in them."""
    return show_clips(stage.watcher, {clip: stage.video(f"{clip}.mp4") for clip in CLIPS})

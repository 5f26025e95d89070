"""A video at a URL."""

import shutil
from collections.abc import Iterator

from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage
from pipelines.providers.sample import SAMPLES

TITLE = "a video at a URL"
_NAME = "from_url.mp4"


def begin(stage: Stage) -> None:
    """Ask for a file of the demo's own site."""
    shutil.copyfile(SAMPLES / "clear.mp4", stage.site / _NAME)
    stage.watcher.send("/v1/videos/from-url", {"url": f"{stage.site_url}/{_NAME}"})


def judge(stage: Stage, _begun: None) -> Iterator[Verdict]:
    """It is taken in whole; what must not be reached is refused."""
    video = stage.video(_NAME)
    yield Verdict(video["status"] == "ready_to_edit", f"{_NAME} is {video['status']}")
    yield Verdict(
        stage.refuses("/v1/videos/from-url", {"url": "http://169.254.169.254/latest/meta-data/"}),
        "an address of the inner network is refused",
    )

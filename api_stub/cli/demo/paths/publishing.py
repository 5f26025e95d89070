"""Two videos are published: one whose check passed, and one that holds secrets."""

from collections.abc import Iterator, Mapping
from typing import Any

from api_stub.cli.demo.accounts import connect
from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage

TITLE = "publishing: public only where the check passed"


def begin(stage: Stage) -> None:
    """Connect the account of YouTube; the videos are of other paths."""
    connect(stage, "youtube")


def judge(stage: Stage, _begun: None) -> Iterator[Verdict]:
    """Both are asked to be public; metadata are drafted first."""
    clear, talk = stage.video("clear.mp4"), stage.video("talk.mp4")
    drafted = stage.until(lambda: _drafted(stage, clear["id"]), "a draft of title and description")
    yield Verdict(bool(drafted["title"] and drafted["description"]), f"drafted: {drafted['title']!r}, tags {drafted['tags']!r}")
    for video in (clear, talk):
        stage.watcher.send(f"/api/videos/{video['id']}/publish", {"privacy": "public"})
    for video, privacy in ((clear, "public"), (talk, "private")):
        shown = stage.until(lambda wanted=video["id"]: _published(stage, wanted), "published")  # type: ignore[misc]
        words = f"{video['originalFilename']}: {shown['status']}, {shown['privacyStatus']}, {shown['youtubeUrl']}"
        yield Verdict(shown["status"] == "published" and shown["privacyStatus"] == privacy, words)


def _drafted(stage: Stage, video_id: int) -> Mapping[str, Any] | None:
    video: Mapping[str, Any] = stage.watcher.json(f"/api/videos/{video_id}")
    if video["description"]:
        return video
    if video["status"] == "ready_to_edit":
        stage.watcher.send(f"/api/videos/{video_id}/generate-metadata")
    return None


def _published(stage: Stage, video_id: int) -> Mapping[str, Any] | None:
    video: Mapping[str, Any] = stage.watcher.json(f"/api/videos/{video_id}")
    return None if video["status"] == "publishing" else video

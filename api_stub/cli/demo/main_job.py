"""The main job on the bundled clips, judged from outside."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from api_stub.cli.demo.judge import Verdict, clock, judge
from api_stub.cli.demo.saying import say
from api_stub.cli.demo.watcher import Watcher
from db.confidentiality import segment_times
from pipelines.providers.sample import SAMPLES

CLIPS = ("talk", "clear")


def drop(home: Path) -> None:
    """Put the clips into the watched folder."""
    for clip in CLIPS:
        shutil.copyfile(SAMPLES / f"{clip}.mp4", home / "watched" / f"{clip}.mp4")
        say(f"dropped {clip}.mp4 into the watched folder")


def take_in(watcher: Watcher, home: Path) -> dict[str, dict[str, Any]]:
    """Drop the clips into the watched folder, and wait until each has ended; videos by the names of the clips."""
    newest = watcher.newest()
    drop(home)
    videos = watcher.follow([f"{clip}.mp4" for clip in CLIPS], after=newest)
    return {clip: videos[f"{clip}.mp4"] for clip in CLIPS}


def show_clips(watcher: Watcher, videos: Mapping[str, Mapping[str, Any]]) -> Iterator[Verdict]:
    """Print what was made of each clip; gives what is to be said of it."""
    for clip, video in videos.items():
        yield from _show(watcher, clip, video)


def _show(watcher: Watcher, clip: str, video: Mapping[str, Any]) -> Iterator[Verdict]:
    print(f"\n{clip}.mp4", flush=True)
    job = watcher.job(video["id"])
    for step in job["steps"] if job else ():
        print(f"  {step['name']:<11} {step['status']:<10} {_took(step):>7}  attempt {step['attempt']}")
    if video["status"] != "ready_to_edit":
        yield Verdict(passed=False, words=f"{video['status']}: {video['errorMessage']}")
        return
    media = f"/media/videos/{video['id']}"
    yield from _look_at_outputs(watcher, media)
    check = watcher.json(f"/api/videos/{video['id']}/confidentiality-check")
    for segment in check["segments"] if check else ():
        start, end = segment_times(segment)
        print(f"  {clock(start)}-{clock(end)}  {segment['severity']:<7} {segment['category']:<16} {segment['reason']}")
    truth = json.loads((SAMPLES / f"{clip}.spoken.json").read_text())
    yield from judge(truth, video=video, check=check, captions=watcher.text(f"{media}/captions_vtt"))


def _took(step: Mapping[str, Any]) -> str:
    if not step["claimed_at"] or not step["finished_at"]:
        return "-"
    return f"{(_moment(step['finished_at']) - _moment(step['claimed_at'])):.1f} s"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _look_at_outputs(watcher: Watcher, media: str) -> Iterator[Verdict]:
    master = watcher.text(f"{media}/ladder/master.m3u8")
    rungs = [line for line in master.splitlines() if line and not line.startswith("#")]
    segments = 0
    for rung in rungs:
        playlist = watcher.text(f"{media}/ladder/{rung}")
        names = [line for line in playlist.splitlines() if line and not line.startswith("#")]
        segments += sum(watcher.size(f"{media}/ladder/{rung.rpartition('/')[0]}/{name}") > 0 for name in names)
    sizes = {kind: watcher.size(f"{media}/{kind}") for kind in ("mp4", "poster", "captions_vtt", "captions_srt", "transcript")}
    told = ", ".join(f"{kind} {size / 1000:.0f} kB" for kind, size in sizes.items())
    yield Verdict(bool(rungs) and segments > 0, f"ladder: {len(rungs)} sizes, {segments} segments that can be fetched")
    yield Verdict(min(sizes.values()) > 0, told)

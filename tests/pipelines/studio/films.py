"""Videos that are ready to be published, without the minutes that an ingest takes."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from core.storage import Storage
from db import confidentiality, videos
from db.engine import Database
from db.videos import FileKind, NewFile
from pipelines.providers.ffmpeg.facts import Probe, Video
from tests import media

CUES = [
    {"startMs": 200, "endMs": 1400, "text": "Good morning, and welcome."},
    {"startMs": 1500, "endMs": 2800, "text": "Today we bake\na loaf of rye."},
]

_PICTURE = Video("h264", 320, 180, 0, Fraction(30), False, None, False, "bt709", 0, 90, 3.0)
PROBED = Probe("mov,mp4", 3.0, 1, _PICTURE, None).as_json()


def make_film(folder: Path, *, seconds: float = 3, **given: Any) -> Path:
    return media.make_clip(folder / f"{uuid4().hex}.mp4", seconds=seconds, options=("-movflags", "+faststart"), **given)


def ready_video(
    database: Database, storage: Storage, owner: str, film: Path | bytes, *, clear: bool | None = True, **columns: Any
) -> int:
    """The id of a video with its film; checked and clear, checked and flagged, or (None) not checked."""
    content = film if isinstance(film, bytes) else film.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"attempts/{uuid4().hex}/film.mp4"
    with storage.writer(key) as file:
        file.write(content)
    with database.tenant(owner) as session:
        made = videos.insert_request(session, videos.Source("upload", key, "rye.mp4"), user_id=owner)
        assert made is not None
        video_id = made[0]
        files = [
            NewFile(FileKind.SOURCE, key, len(content), sha256, PROBED),
            NewFile(FileKind.MP4, key, len(content), sha256, {"of_sha256": sha256}),
        ]
        videos.keep_files(session, video_id, files)
        said = " ".join(cue["text"] for cue in CUES)
        ready = {"status": "ready_to_edit", "duration_ms": 3000, "captions": CUES, "transcript": said, "title": "Rye bread"}
        videos.update_video(session, video_id, **(ready | columns))
        if clear is not None:
            check(session, video_id, sha256, clear=clear)
    return video_id


def check(session: Any, video_id: int, sha256: str, *, clear: bool) -> None:
    finding = {"id": "one", "startTime": "00:00:01", "endTime": "00:00:02", "severity": "high"}
    finding |= {"category": "financial", "reason": "A sum of money", "confidence": 0.9}
    confidentiality.insert_check(
        session,
        video_id,
        triggered_by="tests",
        clear=clear,
        segments=[] if clear else [finding],
        summary="",
        model_used="tests",
        content_sha256=sha256,
    )


def row_of(database: Database, owner: str, video_id: int) -> dict[str, Any]:
    with database.tenant(owner) as session:
        return dict(videos.get_video(session, video_id))


def bring_forward(database: Database) -> None:
    """What waits for its time may run now."""
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET available_at = now() WHERE status IN ('queued', 'retrying')"))

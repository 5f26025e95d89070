"""One video's page: the player, what was found, how it came to be."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import RowMapping

from api_stub.auth import Asker, DatabaseHere, Person, StorageHere, User
from api_stub.confidentiality import decide
from api_stub.contract import Id
from api_stub.dashboard import queries
from api_stub.dashboard.findings import cues, read_check
from api_stub.dashboard.rendering import render
from api_stub.dashboard.timeline import timeline
from api_stub.jobs import read_job
from api_stub.publishing import Publisher, begin_publishing
from api_stub.videos import delete
from db import confidentiality, publishing, status, videos
from db.base.videos import Privacy, VideoStatus
from db.confidentiality import Decision
from db.engine import Database
from db.permissions import AREAS, Area
from db.videos import FileKind
from pipelines.confidentiality import start

router = APIRouter(include_in_schema=False)
_JOBS = 10
_NOT_YET = {VideoStatus.UPLOADING, VideoStatus.TRANSCRIBING}
# Kind, what a person calls it, and the name's ending.
_DOWNLOADS = (
    (FileKind.MP4, "Video", ".mp4"),
    (FileKind.CAPTIONS_VTT, "Captions, WebVTT", ".vtt"),
    (FileKind.CAPTIONS_SRT, "Captions, SubRip", ".srt"),
    (FileKind.TRANSCRIPT, "Transcript, word by word", ".json"),
)


@router.get("/videos/{video_id}", response_class=HTMLResponse)
def video_page(request: Request, video_id: Id, person: Person, database: DatabaseHere) -> Response:
    """The player with captions, findings and transcript, the job's timeline, the files. Raises NotFound."""
    user = person.id
    # First the job, then what it brings about: the page of one that has ended, which looks no more, has all of it.
    jobs = _list_jobs(database, user, video_id)
    job = read_job(database, user, jobs[0]["id"]) if jobs else None
    shown = _read(database, user, video_id, jobs)
    shown["publishing"] = _publishing(database, person, video_id)
    lanes = timeline(job, datetime.now(UTC)) if job else None
    return render(request, "video.html", **shown, job=job, timeline=lanes, refused=_is_refused(job))


@router.post("/videos/{video_id}/delete")
def delete_video(video_id: Id, user: User, database: DatabaseHere, storage: StorageHere) -> Response:
    """Remove the video as `DELETE /api/videos/{id}` does, and go to the first page. Raises NotFound."""
    delete(database, storage, user, video_id)
    return RedirectResponse("/", 303)


@router.post("/videos/{video_id}/publish")
def publish_video(video_id: Id, person: Publisher, database: DatabaseHere, privacy: Annotated[Privacy, Form()]) -> Response:
    """The form that publishes. Raises NotFound, Forbidden, Refused, Conflict."""
    with database.tenant(person.id) as session:
        begin_publishing(session, person, video_id, privacy=privacy)
    return RedirectResponse(f"/videos/{video_id}#publish", 303)


@router.post("/videos/{video_id}/check")
def check_again(video_id: Id, user: User, database: DatabaseHere) -> Response:
    """The button that checks a video again. Raises NotFound, Refused."""
    with database.tenant(user) as session:
        start(session, video_id, user_id=user)
    return RedirectResponse(f"/videos/{video_id}", 303)


@router.post("/videos/{video_id}/findings/{segment_id}")
def decide_on_finding(  # noqa: PLR0917  (a route)
    video_id: Id,
    segment_id: str,
    user: User,
    database: DatabaseHere,
    decision: Annotated[Decision, Form()],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """The form of a finding. Raises NotFound, Invalid, Conflict."""
    decide(database, user, video_id, segment_id, decision, note)
    return RedirectResponse(f"/videos/{video_id}#finding-{segment_id}", 303)


def _publishing(database: Database, person: Asker, video_id: int) -> dict[str, Any] | None:
    """Whether it can be published now, and why only as private; None to who may not, and while there is no film."""
    with database.tenant(person.id) as session:
        video = videos.get_video(session, video_id)
        film = publishing.find_film(session, video)
        if film is None or Area.PUBLISH not in AREAS[person.role]:
            return None
        objection = publishing.find_objection(session, video, (film["details"] or {}).get("of_sha256"))
    return {"is_open": video["status"] in publishing.OPEN, "objection": objection}


def _list_jobs(database: Database, user: str, video_id: int) -> list[RowMapping]:
    with database.tenant(user) as session:
        return queries.list_jobs(session, subject=videos.subject(video_id), limit=_JOBS)


def _read(database: Database, user: str, video_id: int, jobs: Sequence[RowMapping]) -> dict[str, Any]:
    with database.tenant(user) as session:
        video = videos.get_video(session, video_id)
        files = videos.list_files(session, video_id)
        check = confidentiality.find_last_check(session, video_id)
        log = status.list_log(session, jobs[0]["id"]) if jobs else []
        provider = queries.find_provider(session, video_id)
    return {
        "video": video,
        "player": _player(video, files),
        "downloads": [(files[kind], words, kind, ending) for kind, words, ending in _DOWNLOADS if kind in files],
        "source": _source(files),
        "check": read_check(check, (video["duration_ms"] or 0) / 1000),
        "cues": cues(video["captions"]),
        "jobs": jobs,
        "log": log,
        "is_sample": provider == "sample",
        "provider": provider,
    }


def _player(video: RowMapping, files: Mapping[str, RowMapping]) -> dict[str, Any] | None:
    """What the player plays, once it is proven to play; `version` changes with the files."""
    if FileKind.MP4 not in files or video["status"] in _NOT_YET:
        return None
    rungs = (files[FileKind.LADDER]["details"] or {}).get("ladder", {}).get("rungs", []) if FileKind.LADDER in files else []
    kinds = (FileKind.MP4, FileKind.CAPTIONS_VTT)
    return {
        "version": "-".join(files[kind]["sha256"][:12] for kind in kinds if kind in files),
        "has_captions": FileKind.CAPTIONS_VTT in files,
        "has_ladder": FileKind.LADDER in files,
        "has_poster": FileKind.POSTER in files,
        "rung": rungs[0] if rungs else None,
        "rungs": rungs,
    }


def _source(files: Mapping[str, RowMapping]) -> dict[str, Any] | None:
    """What `probe` found in the source."""
    if FileKind.SOURCE not in files or not files[FileKind.SOURCE]["details"]:
        return None
    details: dict[str, Any] = files[FileKind.SOURCE]["details"]
    return details


def _is_refused(job: Mapping[str, Any] | None) -> bool:
    """Whether the file itself was refused, so that running the job again would end the same way."""
    steps = job["steps"] if job and job["status"] == "failed" else ()
    return any(step["name"] == "probe" and step["status"] == "failed" for step in steps)

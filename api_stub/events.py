"""/v1/jobs/{id}/events: a job's status as it changes; /v1/events: that anything did. One thread of the process looks for all."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, User
from api_stub.jobs import as_text, read_any_job, read_job
from api_stub.operators import may
from core.errors import NotFound
from core.log import get_logger
from core.nudge import Listener
from db import status
from db.engine import Database
from db.permissions import OperatorDeed

_log = get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["jobs"])
ops = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.WATCH))])
EVERYBODY = ""
MOST_STREAMS = 200  # of one process
_LOOK_SECONDS = 1.0  # progress travels without a nudge
_GATHER_SECONDS = 0.1  # at most ten looks a second, however many nudges there are
_READ_AGAIN_SECONDS = 5.0  # why a job waits may change while its row does not
_KEEP_ALIVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A job as one event shows it, or only that something moved."""

    name: str
    version: int | str
    text: str
    ended: bool

    @classmethod
    def of(cls, shown: dict[str, Any]) -> "_Snapshot":
        return cls("job", shown["version"], as_text(shown), shown["finished_at"] is not None)

    @classmethod
    def of_all(cls, mark: str) -> "_Snapshot":
        return cls("jobs", mark, json.dumps({"mark": mark}), ended=False)

    def event(self) -> str:
        return f"id: {self.version}\nevent: {self.name}\ndata: {self.text}\n\n"


@dataclass(eq=False, slots=True)
class _Stream:
    """One client. Only the newest snapshot waits for it: an event is the present, not a change. None: the job is gone."""

    user: str  # EVERYBODY: an operator, who sees all
    job_id: UUID | None  # None: every job of the user
    last: _Snapshot | None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    newest: "asyncio.Queue[_Snapshot | None]" = field(default_factory=lambda: asyncio.Queue(1))

    def offer(self, snapshot: _Snapshot | None) -> None:
        """Pass it on unless the client has it. Called from the thread that looks."""
        if snapshot != self.last:
            self.last = snapshot
            with suppress(RuntimeError):  # the loop is closing
                self.loop.call_soon_threadsafe(self._put, snapshot)

    def _put(self, snapshot: _Snapshot | None) -> None:
        if self.newest.full():
            self.newest.get_nowait()
        self.newest.put_nowait(snapshot)


@dataclass(slots=True)
class _Seen:
    """What was last read of a job for one user."""

    mark: str | None
    snapshot: _Snapshot | None
    read_at: float


class Live:
    """Looks at the jobs that are watched: at every nudge, and every second. Rests while none is."""

    def __init__(self, database: Database, listener: Listener) -> None:
        self._database = database
        self._listener = listener
        self._streams: set[_Stream] = set()
        self._seen: dict[tuple[str, UUID | None], _Seen] = {}
        self._lock = threading.Lock()
        self._watched, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def is_full(self) -> bool:
        """Whether one more stream is too many."""
        return len(self._streams) >= MOST_STREAMS

    @contextmanager
    def watch(self, user: str, job_id: UUID | None, known: _Snapshot) -> Iterator["asyncio.Queue[_Snapshot | None]"]:
        """A queue of this loop that gets the job's present whenever it is another than `known` and than the last one."""
        stream = _Stream(user, job_id, known)
        with self._lock:
            self._streams.add(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
        self._watched.set()
        try:
            yield stream.newest
        finally:
            with self._lock:
                self._streams.discard(stream)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._watched.set()
        if self._thread is not None:
            self._thread.join(_LOOK_SECONDS + 1)

    def _run(self) -> None:
        while self._watched.wait() and not self._stopping.is_set():
            try:
                self._look()
            except SQLAlchemyError as error:
                _log.warning("live.interrupted", error=type(error).__name__)
            self._stopping.wait(_GATHER_SECONDS)
            self._listener.wait(_LOOK_SECONDS)
        self._listener.close()

    def _look(self) -> None:
        with self._lock:
            watched: dict[tuple[str, UUID | None], list[_Stream]] = {}
            for stream in self._streams:
                watched.setdefault((stream.user, stream.job_id), []).append(stream)
            if not watched:
                self._watched.clear()
        self._seen = {key: seen for key, seen in self._seen.items() if key in watched}
        if not watched:
            return
        with self._database.jobs() as session:
            marks = status.list_marks(session, {job_id for _, job_id in watched if job_id is not None})
            moved = {user: _get_mark(session, user) for user, job_id in watched if job_id is None}
        for (user, job_id), streams in watched.items():
            if job_id is not None:
                self._look_at(user, job_id, marks.get(job_id), streams)
                continue
            for stream in streams:
                stream.offer(_Snapshot.of_all(moved[user]))

    def _look_at(self, user: str, job_id: UUID, mark: str | None, streams: list[_Stream]) -> None:
        now, seen = time.monotonic(), self._seen.get((user, job_id))
        if seen is None or seen.mark != mark or now - seen.read_at >= _READ_AGAIN_SECONDS:
            seen = self._seen[user, job_id] = _Seen(mark, self._read(user, job_id), now)
        for stream in streams:
            stream.offer(seen.snapshot)

    def _read(self, user: str, job_id: UUID) -> _Snapshot | None:
        try:
            return _Snapshot.of(_read_job(self._database, user, job_id))
        except NotFound:
            return None


def _get_mark(session: Session, user: str) -> str:
    return status.get_mark(session) if user == EVERYBODY else status.get_owner_mark(session, user)


def _read_job(database: Database, user: str, job_id: UUID) -> dict[str, Any]:
    return read_any_job(database, job_id) if user == EVERYBODY else read_job(database, user, job_id)


def _get_live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream_job(
    job_id: UUID, user: User, database: DatabaseHere, live: Annotated[Live, Depends(_get_live)]
) -> StreamingResponse:
    """Server-sent events: each is the job as it is now, its id the row version, so that a reconnect gets the present.

    The stream ends after the job's end. Raises HTTP 503 when this process serves as many streams as it can.
    """
    return await _stream_job(live, database, user, job_id)


@router.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream_all(user: User, database: DatabaseHere, live: Annotated[Live, Depends(_get_live)]) -> StreamingResponse:
    """Server-sent events `jobs`: one of the user's newest jobs moved; what is shown of them should be read again.

    Raises HTTP 503 when this process serves as many streams as it can.
    """
    return await _stream_all(live, database, user)


@ops.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream_any_job(job_id: UUID, database: DatabaseHere, live: Annotated[Live, Depends(_get_live)]) -> StreamingResponse:
    """As `/v1/jobs/{id}/events`, for any owner's job. Raises HTTP 503 when this process serves as many streams as it can."""
    return await _stream_job(live, database, EVERYBODY, job_id)


@ops.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream_everything(database: DatabaseHere, live: Annotated[Live, Depends(_get_live)]) -> StreamingResponse:
    """As `/v1/events`, for everybody's jobs, and what operators change. Raises HTTP 503 as that one."""
    return await _stream_all(live, database, EVERYBODY)


async def _stream_job(live: Live, database: Database, user: str, job_id: UUID) -> StreamingResponse:
    first = _Snapshot.of(await asyncio.to_thread(_read_job, database, user, job_id))
    return _stream(live, user, job_id, first)


async def _stream_all(live: Live, database: Database, user: str) -> StreamingResponse:
    def look() -> str:
        with database.jobs() as session:
            return _get_mark(session, user)

    return _stream(live, user, None, _Snapshot.of_all(await asyncio.to_thread(look)))


def _stream(live: Live, user: str, job_id: UUID | None, first: _Snapshot) -> StreamingResponse:
    if live.is_full():
        raise HTTPException(503, f"{MOST_STREAMS} streams are open here, as many as can be", {"Retry-After": "5"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(live, user, job_id, first), media_type="text/event-stream", headers=headers)


async def _events(live: Live, user: str, job_id: UUID | None, first: _Snapshot) -> AsyncIterator[str]:
    last: _Snapshot | None = first
    with live.watch(user, job_id, first) as newest:
        yield first.event()
        while last is not None and not last.ended:
            try:
                shown = await asyncio.wait_for(newest.get(), _KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if shown is not None:
                yield shown.event()
            last = shown

"""/livez, /readyz and /metrics."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from sqlalchemy import text

from api_stub.auth import DatabaseHere, User
from db import jobs, status

router = APIRouter(tags=["health"])


@router.get("/livez")
def livez() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(database: DatabaseHere) -> JSONResponse:
    """The database answers; without any worker or without hints the service is degraded, not unready."""
    with database.jobs() as session:
        session.execute(text("SELECT 1"))
        unserved = [queue.name for queue in status.list_queues(session) if queue.workers == 0]
    return JSONResponse({"status": "degraded" if unserved else "ok", "queues_without_worker": unserved})


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(_user: User, database: DatabaseHere) -> PlainTextResponse:
    """Queue depths in Prometheus' text format, read from the rows."""
    registry = CollectorRegistry()
    steps = Gauge("askstephen_steps", "Unfinished steps", ["queue", "status"], registry=registry)
    threads = Gauge("askstephen_worker_threads", "Threads of live workers", ["queue"], registry=registry)
    violations = Counter("invariant_violations", "Found by the auditor, ever", ["invariant"], registry=registry)
    with database.jobs() as session:
        for invariant, count in jobs.count_violations(session).items():
            violations.labels(invariant).inc(count)
        for queue in status.list_queues(session):
            for name in ("queued", "running", "retrying"):
                steps.labels(queue.name, name).set(getattr(queue, name))
            threads.labels(queue.name).set(queue.threads)
    return PlainTextResponse(generate_latest(registry).decode(), media_type="text/plain; version=0.0.4")

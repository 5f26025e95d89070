"""Runs the steps of some name only: a look without its ingests, fetches without what follows."""

from uuid import UUID

from sqlalchemy import text

from pipelines.base import enqueue
from testkit import Worker
from tests.accounts import Account


def look(worker: Worker, owner: str, account: Account) -> str:
    """Drain once; its ingests wait. Returns how the job ended."""
    with worker.database.tenant(owner) as session:
        job_id = enqueue(session, "connection_sync", {"connection_id": account.connection_id}, owner_id=owner)
    look_all(worker)
    return str(worker.job(job_id)["status"])


def look_all(worker: Worker) -> None:
    run_steps(worker, "drain", "watch")


def fetch_all(worker: Worker) -> None:
    run_steps(worker, "fetch")


def run_steps(worker: Worker, *names: str) -> None:
    while due := list_due(worker, *names):
        worker.runner.run(due[0])


def list_due(worker: Worker, *names: str) -> list[UUID]:
    """Steps of these names that a worker would start now."""
    with worker.database.jobs() as session:
        statement = text("SELECT name FROM jobs.job_steps WHERE id = :id")
        return [step for step in worker.list_due() if session.scalar(statement, {"id": step}) in names]

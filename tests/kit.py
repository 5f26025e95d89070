"""What tests of pipelines need: a worker that runs in the test's own process."""

import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text

from core.sandbox.run import Sandbox
from core.storage import FolderStorage
from db import status
from db.engine import Database
from workers.runner import StepRunner


def let_in(folder: Path) -> Path:
    """Let the user whom a child becomes where there are no namespaces walk to this folder of root's."""
    if os.geteuid() == 0:
        for path in (folder, *folder.parents[:-2]):
            path.chmod(0o711)
    return folder


class Worker:
    """Runs queued steps one after the other, as a worker of every queue would."""

    def __init__(self, database: Database, storage: FolderStorage, sandbox: Sandbox, scratch: Path) -> None:
        self.database = database
        self.storage = storage
        self.scratch = scratch
        lease = timedelta(seconds=600)
        self.runner = StepRunner(database, storage, sandbox, worker_id=uuid4(), scratch=scratch, lease=lease, alone=True)

    def drain(self, *, most: int = 100) -> None:
        """Run what is due, and what that unblocks, until nothing is."""
        for _ in range(most):
            due = self.due()
            if not due:
                return
            for step_id in due:
                self.runner.run(step_id)
        raise AssertionError(f"after {most} rounds there is still something to run")

    def due(self) -> list[UUID]:
        with self.database.jobs() as session:
            statement = text(
                "SELECT id FROM jobs.job_steps WHERE status IN ('queued', 'retrying') AND available_at <= now() ORDER BY id"
            )
            return list(session.execute(statement).scalars())

    def job(self, job_id: UUID) -> dict:
        with self.database.jobs() as session:
            return status.snapshot(session, job_id)

    def log(self, job_id: UUID) -> list[str]:
        with self.database.jobs() as session:
            return [row["message"] for row in status.list_log(session, job_id)]

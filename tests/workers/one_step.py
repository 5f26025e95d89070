"""`python -m tests.workers.one_step DATABASE_URL STEP_ID FOLDER`: a worker process that runs one step."""

import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from core.sandbox.run import Sandbox
from core.settings import SandboxMode
from core.storage import FolderStorage
from db.engine import Database
from pipelines.base import settle
from workers.runner import StepRunner

if __name__ == "__main__":
    url, step_id, folder = sys.argv[1:]
    with Database(url, connections=2, settle=settle) as database:
        storage, sandbox = FolderStorage(Path(folder) / "storage"), Sandbox(mode=SandboxMode.AUTO)
        runner = StepRunner(
            database, storage, sandbox, worker_id=uuid4(), scratch=Path(folder) / "attempts", lease=timedelta(seconds=30)
        )
        runner.run(UUID(step_id))

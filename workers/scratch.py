"""Removes what killed attempts left in the scratch folder of this machine."""

import shutil
from pathlib import Path
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.log import get_logger
from db import jobs
from db.engine import Database

_log = get_logger(__name__)


def prune_scratch(database: Database, scratch: Path) -> int:
    """Remove the folder of every attempt that is over; returns how many. Safe beside running ones."""
    folders = {UUID(path.name): path for path in scratch.iterdir() if _is_claim(path.name)} if scratch.is_dir() else {}
    if not folders:
        return 0
    try:
        with database.jobs() as session:
            running = jobs.list_running_claims(session, folders)
    except SQLAlchemyError as error:
        _log.warning("scratch.not_pruned", error=type(error).__name__)
        return 0
    left = [path for claim_id, path in folders.items() if claim_id not in running]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    if left:
        _log.info("scratch.pruned", attempts=len(left))
    return len(left)


def _is_claim(name: str) -> bool:
    try:
        return UUID(name).hex == name
    except ValueError:
        return False

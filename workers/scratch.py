"""Removes what killed attempts left in the scratch folder of this machine."""

import shutil
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from core.ids import read_id
from core.log import get_logger
from db import jobs
from db.engine import Database

_log = get_logger(__name__)


def prune_scratch(database: Database, scratch: Path) -> int:
    """Remove the folder of every attempt that is over; returns how many. Safe beside running ones."""
    paths = scratch.iterdir() if scratch.is_dir() else ()
    folders = {claim_id: path for path in paths if (claim_id := read_id(path.name)) and claim_id.hex == path.name}
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

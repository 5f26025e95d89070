"""Looks now and then whether what is promised of the rows holds."""

from sqlalchemy.exc import SQLAlchemyError

from core.log import get_logger
from db import jobs
from db.engine import Database

_log = get_logger(__name__)


def tell(violation: jobs.Violation, *, healed: bool) -> None:
    """Log it, as what no operator should ever read."""
    _log.error(
        "invariant.violated",
        invariant=violation.invariant,
        job_id=str(violation.job_id),
        detail=violation.detail,
        healed=healed,
    )


class Audit:
    """Tells, keeps and mends what it finds; each in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tick(self) -> None:
        """Look once. Safe beside anything, also beside another audit."""
        try:
            with self._database.jobs() as session:
                found = jobs.find_violations(session)
            for violation in found:
                with self._database.jobs() as session:
                    healed = jobs.heal(session, violation)
                tell(violation, healed=healed)
        except SQLAlchemyError as error:
            _log.warning("audit.interrupted", error=type(error).__name__)

"""Jobs as operators meet them, made without running anything."""

from uuid import UUID

from sqlalchemy import text

from db import jobs
from db.engine import Database
from tests.db.test_jobs import take

STEP = jobs.NewStep("write_sample", "io")


def make_user(database: Database, user: str) -> str:
    with database.jobs() as session:
        session.execute(
            text("INSERT INTO users (id, email) VALUES (:id, :email) ON CONFLICT DO NOTHING"),
            {"id": user, "email": f"{user}@example.com"},
        )
    return user


def make_job(
    database: Database, owner: str, *, pipeline: str = "self_check", subject: str | None = None, **args: object
) -> UUID:
    with database.jobs() as session:
        return jobs.insert_job(session, pipeline=pipeline, owner_id=owner, args=args, steps=[STEP], subject=subject)


def break_job(database: Database, job_id: UUID, error: str, *, error_class: str = "Permanent") -> UUID:
    held = take(database, job_id, "write_sample")
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.fail(session, held, error=error, error_class=error_class)
    return job_id


def status_of(database: Database, job_id: UUID) -> str:
    with database.jobs() as session:
        return session.execute(text("SELECT status FROM jobs.jobs WHERE id = :id"), {"id": job_id}).scalar_one()

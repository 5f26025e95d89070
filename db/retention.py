"""How long each table that grows remembers; every table of the schema `jobs` stands in one of the two lists."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import text
from sqlalchemy.orm import Session

# Rows of which this holds are removed.
AGED: Mapping[str, str] = MappingProxyType(
    {
        "jobs.idempotency_keys": "created_at < now() - interval '2 days'",
        "jobs.sign_in_tokens": "expires_at < now()",
        "jobs.batches": "finished_at < now() - interval '400 days'",
        "jobs.effects": "settled_at < now() - interval '400 days'",
        "jobs.operator_actions": "done_at < now() - interval '400 days'",
        "jobs.schedule_fires": "recorded_at < now() - interval '400 days' AND outcome <> 'waiting'",
        "jobs.violations": "found_at < now() - interval '90 days'",
        "jobs.awaited": "answer_by < now() - interval '30 days'",
        "public.sessions": "expire < now()",
    }
)
# What bounds the others.
BOUNDED: Mapping[str, str] = MappingProxyType(
    {
        "jobs.jobs": "moved to archived_jobs some days after its end (db/jobs/archive.py)",
        "jobs.job_steps": "moved with its job",
        "jobs.job_attempts": "moved with its job",
        "jobs.job_logs": "2000 lines of a job, moved with it",
        "jobs.archived_jobs": "dropped by the month",
        "jobs.batch_jobs": "go with their batch",
        "jobs.unique_keys": "held by jobs that have not ended",
        "jobs.uploads": "removed when they expire, with their files (db/uploads.py), or with their video",
        "jobs.seen_versions": "one for each file that was ever taken in: forgetting one would take it in again",
        "jobs.syncs": "one for each connected account",
        "jobs.watch_channels": "a few of each connected account: those that are over go when the next is opened",
        "jobs.workers": "removed a minute after a worker's last beat (scheduler/rescue.py)",
        "jobs.violation_counts": "one for each invariant",
        "jobs.step_times": "one for each step of a pipeline",
        "jobs.queues": "made by migrations",
        "jobs.alembic_version": "one",
        "jobs.breakers": "one for each provider, and for each owner that one failed",
        "jobs.budgets": "set by migrations and operators",
        "jobs.pauses": "set by operators",
        "jobs.schedules": "made and removed by their owners",
        "jobs.limits": "set by operators",
        "jobs.weights": "one for each owner at most",
        "jobs.company_invitations": "one for each address and company",
        "jobs.operators": "made by operator admins; go with their user",
        "jobs.token_leases": "given back when a token was renewed, or left by one who died; one for each connection at most",
        "jobs.api_keys": "made by their owners; revoked ones tell what a key was",
    }
)


def prune_rows(session: Session, table: str, *, most: int = 5000) -> int:
    """Remove at most so many rows that have aged from a table of AGED; returns how many."""
    statement = text(f"""
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {AGED[table]} LIMIT :most)) RETURNING 1
    """)  # noqa: S608  (constants)
    return len(session.execute(statement, {"most": most}).all())

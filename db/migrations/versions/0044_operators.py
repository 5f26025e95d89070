"""Operators and their roles, and what their dashboard reads: failures by kind, promises of queues, versions of workers."""

from alembic import op

revision = "0044"
down_revision = "0040"

FAILURES = """
-- What errors of one kind have in common: numbers, ids and quoted words left out.
CREATE FUNCTION jobs.error_group(error text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT left(regexp_replace(left(error, 400), $r$'[^']*'|"[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}|\\m[0-9a-f]{12,}\\M|\\d+([.,:]\\d+)*$r$, '#', 'g'), 200)
$$;
ALTER TABLE jobs.job_steps ADD COLUMN error_class text, ADD COLUMN error_group text;
UPDATE jobs.job_steps SET error_group = jobs.error_group(error) WHERE status IN ('failed', 'quarantined');
-- Only a step that ends badly writes to these: its status is in no other predicate that a change of `error` could touch.
CREATE INDEX steps_failed ON jobs.job_steps (pipeline, name, error_class, error_group) INCLUDE (finished_at, job_id)
    WHERE status IN ('failed', 'quarantined') AND NOT optional;
CREATE INDEX jobs_failed ON jobs.jobs (id) WHERE error IS NOT NULL;
CREATE INDEX jobs_stopped ON jobs.jobs (id) WHERE stop_reason IS NOT NULL;
"""

OPERATORS = """
-- Who watches and mends the platform; a superadmin of the product is an admin without a row.
CREATE TABLE jobs.operators (
    user_id varchar PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'auditor')),
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.operators TO askstephen_jobs;
ALTER TABLE jobs.operators ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.operators TO askstephen_jobs USING (true);
"""

QUEUES = """
-- How old the oldest step that could run may get before somebody should look.
ALTER TABLE jobs.queues ADD COLUMN promise_seconds integer NOT NULL DEFAULT 300 CHECK (promise_seconds > 0);
UPDATE jobs.queues SET promise_seconds = CASE WHEN name IN ('io', 'web') THEN 60 ELSE 900 END;
ALTER TABLE jobs.workers ADD COLUMN version text;
"""


def upgrade() -> None:
    for part in (OPERATORS, FAILURES, QUEUES):
        op.execute(part)

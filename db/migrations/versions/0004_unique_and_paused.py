"""Jobs and requests that are there once, priorities, and what operators pause."""

from alembic import op

revision = "0004"
down_revision = "0003"

CHANGES = """
-- The unique key is kept on the job as well: one that is run again must take it again.
ALTER TABLE jobs.jobs ADD COLUMN unique_key text, ADD COLUMN priority smallint NOT NULL DEFAULT 2 CHECK (priority BETWEEN 0 AND 3);
-- What is to be run once the job that holds the key has ended: args, subject, priority and steps of a new job.
ALTER TABLE jobs.unique_keys ADD COLUMN replay jsonb;
-- The key is taken before its job is written, so that nothing has to be taken back.
ALTER TABLE jobs.unique_keys ALTER CONSTRAINT unique_keys_job_id_fkey DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE jobs.pauses (
    kind text NOT NULL CHECK (kind IN ('queue', 'pipeline', 'owner')),
    name text NOT NULL,
    drain boolean NOT NULL,
    paused_by text NOT NULL,
    reason text,
    paused_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.pauses TO askstephen_jobs;
ALTER TABLE jobs.pauses ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.pauses TO askstephen_jobs USING (true);
INSERT INTO jobs.pauses (kind, name, drain, paused_by, paused_at)
    SELECT 'queue', name, false, 'unknown', paused_at FROM jobs.queues WHERE paused_at IS NOT NULL;
ALTER TABLE jobs.queues DROP COLUMN paused_at;

-- What a request was answered, so that one that is sent again is not done again.
CREATE TABLE jobs.idempotency_keys (
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    endpoint text NOT NULL,
    key text NOT NULL,
    request_hash text NOT NULL,
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, endpoint, key)
);
CREATE INDEX idempotency_keys_by_age ON jobs.idempotency_keys (created_at);
GRANT SELECT, INSERT, UPDATE ON jobs.idempotency_keys TO askstephen_tenant;
GRANT SELECT, DELETE ON jobs.idempotency_keys TO askstephen_jobs;
ALTER TABLE jobs.idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.idempotency_keys TO askstephen_tenant USING (user_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.idempotency_keys TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    op.execute(CHANGES)

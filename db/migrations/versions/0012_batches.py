"""Batches, limits on the time of a whole job, and what steps need of their host."""

from alembic import op

revision = "0012"
down_revision = "0011"

BATCHES = """
CREATE TABLE jobs.batches (
    id uuid PRIMARY KEY,
    owner_id varchar NOT NULL REFERENCES public.users (id),
    pipeline text NOT NULL,
    priority smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    cancel_requested_at timestamptz,
    finished_at timestamptz,
    -- What is enqueued, once, when the last job has ended.
    hook_pipeline text,
    hook_args jsonb,
    hook_at timestamptz,
    hook_job_id uuid,
    hook_error text,
    CHECK ((hook_pipeline IS NULL) = (hook_args IS NULL)),
    CHECK (hook_at IS NULL OR hook_pipeline IS NOT NULL)
);
CREATE INDEX batches_live ON jobs.batches (id) WHERE finished_at IS NULL;
CREATE INDEX batches_by_owner ON jobs.batches (owner_id, id DESC);
-- A job of a unique pipeline may stand for a request in several batches. `job_id` references nothing: a job that is moved away or
-- removed is still one of those that the batch was made of.
CREATE TABLE jobs.batch_jobs (
    batch_id uuid NOT NULL REFERENCES jobs.batches (id) ON DELETE CASCADE,
    job_id uuid NOT NULL,
    PRIMARY KEY (batch_id, job_id)
);
CREATE INDEX batch_jobs_by_job ON jobs.batch_jobs (job_id);
GRANT SELECT, INSERT ON jobs.batches, jobs.batch_jobs TO askstephen_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.batches, jobs.batch_jobs TO askstephen_jobs;
ALTER TABLE jobs.batches ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.batches TO askstephen_tenant USING (owner_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.batches TO askstephen_jobs USING (true);
ALTER TABLE jobs.batch_jobs ENABLE ROW LEVEL SECURITY;
-- The policies of batches and jobs hold inside the subqueries.
CREATE POLICY own ON jobs.batch_jobs TO askstephen_tenant
    USING (EXISTS (SELECT 1 FROM jobs.batches b WHERE b.id = batch_id))
    WITH CHECK (EXISTS (SELECT 1 FROM jobs.batches b WHERE b.id = batch_id)
        AND EXISTS (SELECT 1 FROM jobs.jobs j WHERE j.id = job_id));
CREATE POLICY core ON jobs.batch_jobs TO askstephen_jobs USING (true);
"""

TIMES = """
-- `stop_reason`: why the platform itself asked the job to stop; it ends as failed, not as cancelled.
ALTER TABLE jobs.jobs ADD COLUMN start_by timestamptz, ADD COLUMN finish_by timestamptz, ADD COLUMN stop_reason text;
-- No status in the predicates: that would make each of its changes write to these indexes.
CREATE INDEX jobs_start_by ON jobs.jobs (start_by) WHERE start_by IS NOT NULL AND finished_at IS NULL;
CREATE INDEX jobs_finish_by ON jobs.jobs (finish_by) WHERE finish_by IS NOT NULL AND finished_at IS NULL;
"""

NEEDS = """
-- What the step's last claim found that it needs, and, while it runs, on which host that is reserved.
ALTER TABLE jobs.job_steps ADD COLUMN needs_disk_bytes bigint, ADD COLUMN needs_memory_bytes bigint, ADD COLUMN needs_host text;
-- What the worker's host has free, as of its last beat; null where that is not known.
ALTER TABLE jobs.workers ADD COLUMN free_disk_bytes bigint, ADD COLUMN free_memory_bytes bigint;
"""


def upgrade() -> None:
    for part in (BATCHES, TIMES, NEEDS):
        op.execute(part)

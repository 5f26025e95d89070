"""How many steps of one queue, pipeline or owner run at once, and how owners share."""

from alembic import op

revision = "0005"
down_revision = "0004"

CHANGES = """
-- Kept on the step too: what may run next is decided without looking at every job.
ALTER TABLE jobs.job_steps ADD COLUMN owner_id varchar, ADD COLUMN pipeline text;
UPDATE jobs.job_steps s SET owner_id = j.owner_id, pipeline = j.pipeline FROM jobs.jobs j WHERE j.id = s.job_id;
ALTER TABLE jobs.job_steps ALTER COLUMN owner_id SET NOT NULL, ALTER COLUMN pipeline SET NOT NULL;
DROP INDEX jobs.steps_ready;
CREATE INDEX steps_ready ON jobs.job_steps (queue, owner_id, priority, available_at, id) WHERE status IN ('queued', 'retrying');

-- `*` stands for each one that has no row of its own.
CREATE TABLE jobs.limits (
    kind text NOT NULL CHECK (kind IN ('queue', 'pipeline', 'owner')),
    name text NOT NULL,
    most smallint NOT NULL CHECK (most >= 0),
    PRIMARY KEY (kind, name)
);
-- An owner of weight 2 gets twice the time of one of weight 1; who has no row has 1.
CREATE TABLE jobs.weights (
    owner_id varchar PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
    weight real NOT NULL CHECK (weight > 0)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.limits, jobs.weights TO askstephen_jobs;
ALTER TABLE jobs.limits ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.limits TO askstephen_jobs USING (true);
ALTER TABLE jobs.weights ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.weights TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    op.execute(CHANGES)

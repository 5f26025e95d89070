"""What the auditor found against what is promised."""

from alembic import op

revision = "0006"
down_revision = "0005"

CHANGES = """
CREATE TABLE jobs.violations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invariant text NOT NULL,
    job_id uuid NOT NULL,  -- no reference: it may be gone when somebody looks
    detail text NOT NULL,
    healed boolean NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX violations_by_invariant ON jobs.violations (invariant, id);
GRANT SELECT, INSERT, DELETE ON jobs.violations TO askstephen_jobs;
ALTER TABLE jobs.violations ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.violations TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    op.execute(CHANGES)

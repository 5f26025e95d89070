"""What the audit looks at: steps that wait, and since when a limit holds."""

from alembic import op

revision = "0051"
down_revision = "0050"

AUDITED = """
CREATE INDEX steps_waiting ON jobs.job_steps (job_id) WHERE status = 'waiting';
-- What ran over it at that moment was left alone.
ALTER TABLE jobs.limits ADD COLUMN set_at timestamptz NOT NULL DEFAULT now();
"""


def upgrade() -> None:
    op.execute(AUDITED)

"""What is known of an attempt's end beside its error."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # How far it was, and of a child that died: signal, peak memory, the end of its standard error.
    op.execute("ALTER TABLE jobs.job_attempts ADD COLUMN evidence jsonb")

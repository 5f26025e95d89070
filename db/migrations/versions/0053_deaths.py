"""How a worker process ended, as the one that started it was told."""

from alembic import op

revision = "0053"
down_revision = "0052"

DEATHS = "ALTER TABLE jobs.workers ADD COLUMN death jsonb;"


def upgrade() -> None:
    op.execute(DEATHS)

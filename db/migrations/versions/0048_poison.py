"""Contents on which children died, to be found again."""

from alembic import op

revision = "0048"
down_revision = "0047"

POISON = """
CREATE INDEX attempts_on_content ON jobs.job_attempts ((evidence->>'content')) WHERE evidence ? 'content';
"""


def upgrade() -> None:
    op.execute(POISON)

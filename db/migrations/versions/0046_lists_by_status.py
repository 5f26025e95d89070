"""Videos of one status, newest first, of a user and of a company: without these a rare status costs a look at every video of theirs."""

from alembic import op

revision = "0046"
down_revision = "0030"

INDEXES = """
CREATE INDEX videos_by_user_status ON public.videos (user_id, status, id DESC);
CREATE INDEX videos_by_company_status ON public.videos (company_id, status, id DESC) WHERE company_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(INDEXES)

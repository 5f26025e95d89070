"""Whose account a video is published through is known to who renews its tokens."""

from alembic import op

revision = "0035"
down_revision = "0038"

ACCESS = """
GRANT SELECT (id, user_id) ON public.user_social_accounts TO askstephen_jobs;
CREATE POLICY core ON public.user_social_accounts FOR SELECT TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    op.execute(ACCESS)

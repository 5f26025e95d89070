"""Readings of competitors that show nothing are forgotten some day: the job core may see which are named, and remove them."""

from alembic import op

revision = "0050"
down_revision = "0048"

ACCESS = """
CREATE INDEX competitor_snapshots_by_body ON public.competitor_snapshots (raw_body_key);
GRANT SELECT (id, client_id, competitor_key, source, captured_at, raw_body_key), DELETE ON public.competitor_snapshots TO askstephen_jobs;
GRANT SELECT (before_snapshot_id, after_snapshot_id) ON public.competitor_changes TO askstephen_jobs;
CREATE POLICY core_sees ON public.competitor_snapshots FOR SELECT TO askstephen_jobs USING (true);
CREATE POLICY core_prunes ON public.competitor_snapshots FOR DELETE TO askstephen_jobs USING (true);
CREATE POLICY core_sees ON public.competitor_changes FOR SELECT TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    op.execute(ACCESS)

"""What is followed of connected accounts: the chosen folder, how far its changes were read, and the channels that tell of more."""

from alembic import op

from db.migrations.access import ME

revision = "0032"
down_revision = "0042"

SYNCS = f"""
-- `cursor` and the ingests that were started up to it are written together; empty, everything is looked at.
CREATE TABLE jobs.syncs (
    connection_id integer PRIMARY KEY REFERENCES public.cloud_connections (id) ON DELETE CASCADE,
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    folder text NOT NULL,
    choice integer NOT NULL DEFAULT 1,
    cursor text,
    next_look_at timestamptz NOT NULL DEFAULT now(),
    looked_at timestamptz,
    problem text
);
CREATE INDEX syncs_by_next_look ON jobs.syncs (next_look_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.syncs TO askstephen_tenant;
GRANT SELECT, UPDATE ON jobs.syncs TO askstephen_jobs;
ALTER TABLE jobs.syncs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.syncs TO askstephen_tenant USING (user_id = {ME}) WITH CHECK (user_id = {ME} AND EXISTS (
    SELECT 1 FROM public.cloud_connections c WHERE c.id = connection_id AND c.user_id = {ME}));
CREATE POLICY core ON jobs.syncs TO askstephen_jobs USING (true);

-- Written before the channel is asked for: its first message may come before the answer.
CREATE TABLE jobs.watch_channels (
    id text PRIMARY KEY,
    connection_id integer NOT NULL REFERENCES jobs.syncs (connection_id) ON DELETE CASCADE,
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    secret_hash text NOT NULL,
    resource text,
    expires_at timestamptz NOT NULL
);
CREATE INDEX watch_channels_by_connection ON jobs.watch_channels (connection_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.watch_channels TO askstephen_tenant;
GRANT SELECT ON jobs.watch_channels TO askstephen_jobs;
ALTER TABLE jobs.watch_channels ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.watch_channels TO askstephen_tenant USING (user_id = {ME});
CREATE POLICY core ON jobs.watch_channels TO askstephen_jobs USING (true);

-- Which accounts a message is about, and which are to be looked at: no token.
GRANT SELECT (id, user_id, provider, account_id, is_active) ON public.cloud_connections TO askstephen_jobs;
CREATE POLICY followed ON public.cloud_connections FOR SELECT TO askstephen_jobs USING (true);
"""

CONTENT = """
-- What its bytes were, once they were here: the same ones are not fetched again.
ALTER TABLE jobs.seen_versions ADD COLUMN sha256 text;
GRANT UPDATE (sha256) ON jobs.seen_versions TO askstephen_tenant;
CREATE INDEX seen_versions_by_version ON jobs.seen_versions (user_id, provider, version) WHERE sha256 IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(SYNCS)
    op.execute(CONTENT)

"""Who may renew a connection's tokens now, what an API key opens and how long, and states that come back from a sign-in elsewhere."""

from alembic import op

revision = "0030"
down_revision = "0036"

LEASES = """
CREATE TABLE jobs.token_leases (
    kept_in text NOT NULL,
    row_id bigint NOT NULL,
    holder uuid NOT NULL,
    held_until timestamptz NOT NULL,
    PRIMARY KEY (kept_in, row_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.token_leases TO askstephen_jobs;
ALTER TABLE jobs.token_leases ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.token_leases TO askstephen_jobs USING (true);
"""

KEYS = """
ALTER TABLE jobs.api_keys
    ADD COLUMN scope text NOT NULL DEFAULT 'ops' CHECK (scope IN ('read', 'write', 'ops')),
    ADD COLUMN expires_at timestamptz;
CREATE INDEX api_keys_by_user ON jobs.api_keys (user_id, id);
"""


def upgrade() -> None:
    for part in (LEASES, KEYS):
        op.execute(part)

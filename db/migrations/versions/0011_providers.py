"""What steps call: limits, circuit breakers and quota budgets per provider, the ledger of effects, and what operators did."""

from alembic import op

revision = "0011"
down_revision = "0010"

SCOPE = """
ALTER TABLE jobs.job_steps ADD COLUMN provider text;
CREATE INDEX steps_of_provider ON jobs.job_steps (provider) WHERE provider IS NOT NULL AND status IN ('queued', 'running');
ALTER TABLE jobs.pauses DROP CONSTRAINT pauses_kind_check;
ALTER TABLE jobs.pauses ADD CONSTRAINT pauses_kind_check CHECK (kind IN ('queue', 'pipeline', 'owner', 'provider'));
ALTER TABLE jobs.limits DROP CONSTRAINT limits_kind_check;
ALTER TABLE jobs.limits ADD CONSTRAINT limits_kind_check CHECK (kind IN ('queue', 'pipeline', 'owner', 'provider'));
ALTER TABLE jobs.job_attempts DROP CONSTRAINT job_attempts_outcome_check;
ALTER TABLE jobs.job_attempts ADD CONSTRAINT job_attempts_outcome_check CHECK (outcome IN
    ('succeeded', 'failed', 'retrying', 'cancelled', 'released', 'snoozed', 'unavailable', 'expired'));
"""

BREAKERS = """
-- A provider without a row is well. The owner '' stands for everybody.
CREATE TABLE jobs.breakers (
    provider text NOT NULL,
    owner_id varchar NOT NULL DEFAULT '',
    failures smallint NOT NULL DEFAULT 0,  -- one after another
    open_until timestamptz,
    opened_at timestamptz,
    opened_by text,  -- null: by failures, or because the provider said so
    reason text,
    PRIMARY KEY (provider, owner_id)
);
"""

BUDGETS = """
CREATE TABLE jobs.budgets (
    name text NOT NULL,
    per text NOT NULL CHECK (per IN ('minute', 'hour', 'day', 'month')),
    units bigint NOT NULL CHECK (units >= 0),
    zone text NOT NULL,
    spent bigint NOT NULL DEFAULT 0,
    resets_at timestamptz,  -- what was spent counts until then
    PRIMARY KEY (name, per)
);
-- Days and months are those of the zone's wall clock, whatever daylight saving makes of their length.
CREATE FUNCTION jobs.next_reset(per text, zone text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN per IN ('day', 'month')
        THEN (date_trunc(per, at AT TIME ZONE zone) + CAST('1 ' || per AS interval)) AT TIME ZONE zone
        ELSE date_trunc(per, at) + CAST('1 ' || per AS interval) END
$$;
-- https://developers.google.com/youtube/v3/determine_quota_cost: uploads and searches are counted apart, all at midnight Pacific.
INSERT INTO jobs.budgets (name, per, units, zone) VALUES
    ('youtube', 'day', 10000, 'America/Los_Angeles'),
    ('youtube.insert', 'day', 100, 'America/Los_Angeles'),
    ('youtube.search', 'day', 100, 'America/Los_Angeles');
"""

EFFECTS = """
-- No reference to the job: what was done on the outside stays done when the job is gone.
CREATE TABLE jobs.effects (
    owner_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    kind text NOT NULL,
    key text NOT NULL,
    status text NOT NULL CHECK (status IN ('intended', 'made', 'failed', 'unknown')),
    job_id uuid NOT NULL,
    step text NOT NULL,
    claim_id uuid NOT NULL,
    request jsonb,
    response jsonb,
    error text,
    intended_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    PRIMARY KEY (owner_id, kind, key)
);
CREATE INDEX effects_by_job ON jobs.effects (job_id);
"""

ACTIONS = """
CREATE TABLE jobs.operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail jsonb NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    for part in (SCOPE, BREAKERS, BUDGETS, EFFECTS, ACTIONS):
        op.execute(part)
    for table in ("breakers", "budgets", "effects", "operator_actions"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.{table} TO askstephen_jobs")
        op.execute(f"ALTER TABLE jobs.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY core ON jobs.{table} TO askstephen_jobs USING (true)")
    op.execute("GRANT SELECT ON jobs.effects TO askstephen_tenant")
    op.execute("CREATE POLICY own ON jobs.effects TO askstephen_tenant USING (owner_id = current_setting('app.user_id', true))")

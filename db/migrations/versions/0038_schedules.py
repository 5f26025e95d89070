"""Schedules and their fires; rows of `leads_search_schedules` get the clock that they lacked."""

from alembic import op

revision = "0038"
down_revision = "0032"

SCHEDULES = """
CREATE TABLE jobs.schedules (
    id uuid PRIMARY KEY,
    owner_id varchar NOT NULL REFERENCES public.users (id),
    pipeline text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    subject text,
    rule jsonb NOT NULL,
    zone text NOT NULL,
    anchor_at timestamptz NOT NULL,  -- intervals are counted from here
    overlap text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'queue', 'replace')),
    catch_up text NOT NULL DEFAULT 'last' CHECK (catch_up IN ('none', 'last', 'all')),
    catch_up_most integer NOT NULL DEFAULT 10 CHECK (catch_up_most BETWEEN 1 AND 100),
    enabled boolean NOT NULL DEFAULT true,
    paused_reason text,
    last_fire_at timestamptz,
    next_fire_at timestamptz,
    -- The row that people and clients see of it, where it has one.
    lead_schedule_id integer UNIQUE REFERENCES public.leads_search_schedules (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (enabled = (next_fire_at IS NOT NULL))
);
CREATE INDEX schedules_due ON jobs.schedules (next_fire_at) WHERE enabled;
CREATE INDEX schedules_by_owner ON jobs.schedules (owner_id, id DESC);
-- What became of each instant. `job_id` references nothing: a job that is moved away was fired all the same.
CREATE TABLE jobs.schedule_fires (
    schedule_id uuid NOT NULL REFERENCES jobs.schedules (id) ON DELETE CASCADE,
    fire_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('fired', 'caught_up', 'asked', 'waiting', 'skipped', 'failed')),
    shifted boolean NOT NULL DEFAULT false,
    reason text,
    job_id uuid,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule_id, fire_at)
);
CREATE INDEX schedule_fires_waiting ON jobs.schedule_fires (schedule_id, fire_at) WHERE outcome = 'waiting';
"""
ACCESS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.schedules, jobs.schedule_fires TO askstephen_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.schedules TO askstephen_tenant;
GRANT SELECT ON jobs.schedule_fires TO askstephen_tenant;
ALTER TABLE jobs.schedules ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.schedules TO askstephen_tenant USING (owner_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.schedules TO askstephen_jobs USING (true);
ALTER TABLE jobs.schedule_fires ENABLE ROW LEVEL SECURITY;
-- The policy of jobs.schedules holds inside the subquery.
CREATE POLICY own ON jobs.schedule_fires TO askstephen_tenant
    USING (EXISTS (SELECT 1 FROM jobs.schedules s WHERE s.id = schedule_id));
CREATE POLICY core ON jobs.schedule_fires TO askstephen_jobs USING (true);

-- The clock says on the row when it ran and runs next, and finds rows that no clock has yet.
GRANT SELECT ON public.leads_search_schedules TO askstephen_jobs;
GRANT UPDATE (last_run_at, next_run_at, is_active, updated_at) ON public.leads_search_schedules TO askstephen_jobs;
CREATE POLICY core ON public.leads_search_schedules TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    for part in (SCHEDULES, ACCESS):
        op.execute(part)

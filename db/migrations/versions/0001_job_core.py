"""Roles, users and sign-in, and the job core."""

from alembic import op

from db.migrations.roles import ROLES

revision = "0001"
down_revision = None

USERS = """
CREATE TABLE public.users (
    id varchar PRIMARY KEY DEFAULT gen_random_uuid()::text,
    email varchar UNIQUE,
    first_name varchar, last_name varchar, profile_image_url varchar,
    role varchar NOT NULL DEFAULT 'user',
    default_channel_id integer,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_role_check CHECK (role IN ('superadmin', 'admin', 'creative', 'search', 'pickone', 'user'))
);
CREATE TABLE public.sessions (
    sid varchar PRIMARY KEY,
    sess jsonb NOT NULL,
    expire timestamptz NOT NULL
);
CREATE INDEX sessions_expire ON public.sessions (expire);
"""

JOBS = """
CREATE TABLE jobs.jobs (
    id uuid PRIMARY KEY,
    pipeline text NOT NULL,
    owner_id varchar NOT NULL REFERENCES public.users (id),
    subject text,
    args jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'queued' CHECK (status IN
        ('queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'quarantined')),
    cancel_requested_at timestamptz,
    error text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX jobs_by_owner ON jobs.jobs (owner_id, id DESC);
CREATE INDEX jobs_live ON jobs.jobs (id) WHERE finished_at IS NULL;

-- The step row is its own outbox, lease and current attempt.
CREATE TABLE jobs.job_steps (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs.jobs (id) ON DELETE CASCADE,
    name text NOT NULL,
    part integer NOT NULL DEFAULT 0,
    after text[] NOT NULL DEFAULT '{}',
    input jsonb,
    queue text NOT NULL,
    optional boolean NOT NULL DEFAULT false,
    status text NOT NULL CHECK (status IN
        ('waiting', 'queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'quarantined')),
    priority smallint NOT NULL DEFAULT 2,
    attempt smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL,
    deaths smallint NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL DEFAULT now(),
    claim_id uuid,
    worker_id uuid,
    claimed_at timestamptz,
    lease_until timestamptz,
    finished_at timestamptz,
    progress real,
    progress_message text,
    checkpoint jsonb,
    result jsonb,
    error text,
    UNIQUE (job_id, name, part)
) WITH (fillfactor = 60);
-- What may run. Status is in the predicate, so claimed rows leave it.
CREATE INDEX steps_ready ON jobs.job_steps (queue, priority, available_at, id) WHERE status IN ('queued', 'retrying');
-- What rescue looks through. lease_until is not in it, so that renewals stay HOT.
CREATE INDEX steps_running ON jobs.job_steps (id) WHERE status = 'running';

-- Attempts that ended and that the step's own row cannot tell any more.
CREATE TABLE jobs.job_attempts (
    step_id uuid NOT NULL REFERENCES jobs.job_steps (id) ON DELETE CASCADE,
    claim_id uuid NOT NULL,
    attempt smallint NOT NULL,
    worker_id uuid,
    started_at timestamptz,
    finished_at timestamptz NOT NULL DEFAULT now(),
    outcome text NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'retrying', 'cancelled', 'released', 'snoozed', 'expired')),
    error text,
    PRIMARY KEY (step_id, claim_id)
);
CREATE TABLE jobs.job_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs.jobs (id) ON DELETE CASCADE,
    step text,
    at timestamptz NOT NULL DEFAULT now(),
    level text NOT NULL DEFAULT 'info',
    message text NOT NULL
);
CREATE INDEX job_logs_by_job ON jobs.job_logs (job_id, id);
CREATE TABLE jobs.unique_keys (
    pipeline text NOT NULL,
    key text NOT NULL,
    job_id uuid NOT NULL REFERENCES jobs.jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (pipeline, key)
);
CREATE INDEX unique_keys_by_job ON jobs.unique_keys (job_id);
CREATE TABLE jobs.queues (
    name text PRIMARY KEY,
    paused_at timestamptz
);
INSERT INTO jobs.queues (name) VALUES ('io'), ('media'), ('ai'), ('web');
CREATE TABLE jobs.workers (
    id uuid PRIMARY KEY,
    queues text[] NOT NULL,
    threads smallint NOT NULL,
    host text NOT NULL,
    process integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);
CREATE TABLE jobs.sign_in_tokens (
    token_hash text PRIMARY KEY,
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
ALTER TABLE jobs.job_steps SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
"""

ACCESS = """
GRANT USAGE ON SCHEMA public, jobs TO askstephen_tenant, askstephen_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO askstephen_jobs;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO askstephen_jobs;
GRANT SELECT, INSERT ON jobs.jobs, jobs.job_steps, jobs.unique_keys TO askstephen_tenant;
GRANT SELECT ON jobs.job_attempts, jobs.job_logs TO askstephen_tenant;
GRANT SELECT, INSERT, UPDATE ON public.users TO askstephen_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.sessions TO askstephen_jobs;
GRANT SELECT, UPDATE ON public.users TO askstephen_tenant;

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.users TO askstephen_tenant USING (id = current_setting('app.user_id', true));
CREATE POLICY core ON public.users TO askstephen_jobs USING (true);
ALTER TABLE public.sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON public.sessions TO askstephen_jobs USING (true);

ALTER TABLE jobs.jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.jobs TO askstephen_tenant USING (owner_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.jobs TO askstephen_jobs USING (true);
ALTER TABLE jobs.sign_in_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.sign_in_tokens TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    for part in (ROLES, USERS, JOBS, ACCESS):
        op.execute(part)
    for table, job in (("job_steps", "job_id"), ("job_logs", "job_id"), ("unique_keys", "job_id")):
        op.execute(f"ALTER TABLE jobs.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY core ON jobs.{table} TO askstephen_jobs USING (true)")
        # The policy of jobs.jobs holds inside the subquery: what is not the user's is not there.
        op.execute(
            f"CREATE POLICY own ON jobs.{table} TO askstephen_tenant USING (EXISTS (SELECT 1 FROM jobs.jobs j WHERE j.id = {job}))"
        )
    op.execute("ALTER TABLE jobs.job_attempts ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY core ON jobs.job_attempts TO askstephen_jobs USING (true)")
    op.execute(
        "CREATE POLICY own ON jobs.job_attempts TO askstephen_tenant"
        " USING (EXISTS (SELECT 1 FROM jobs.job_steps s WHERE s.id = step_id))"
    )

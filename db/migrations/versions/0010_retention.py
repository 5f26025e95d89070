"""Where jobs go some days after their end, by month, and how often each invariant was found broken."""

from alembic import op

revision = "0010"
down_revision = "0008"

ARCHIVE = """
-- A job with all its rows, each as `to_jsonb` had it. Its columns beside the documents are what lists look for.
-- `owner_id` references nothing: dropping a month would lock public.users.
CREATE TABLE jobs.archived_jobs (
    id uuid NOT NULL,
    owner_id varchar NOT NULL,
    pipeline text NOT NULL,
    subject text,
    status text NOT NULL,
    finished_at timestamptz NOT NULL,
    job jsonb NOT NULL,
    steps jsonb NOT NULL,
    attempts jsonb NOT NULL,
    logs jsonb NOT NULL,
    PRIMARY KEY (id, finished_at)
) PARTITION BY RANGE (finished_at);
CREATE INDEX archived_jobs_by_owner ON jobs.archived_jobs (owner_id, id DESC);
CREATE INDEX archived_jobs_by_subject ON jobs.archived_jobs (subject, id DESC) WHERE subject IS NOT NULL;
GRANT SELECT ON jobs.archived_jobs TO askstephen_tenant;
GRANT SELECT, INSERT, DELETE ON jobs.archived_jobs TO askstephen_jobs;
ALTER TABLE jobs.archived_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.archived_jobs TO askstephen_tenant USING (owner_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.archived_jobs TO askstephen_jobs USING (true);
"""

# Of the owner of the tables: the roles that work own none. Whoever waits longer than two seconds for the lock on the
# archive makes every reader wait behind it, so it gives up.
MONTHS = """
CREATE FUNCTION jobs.make_archive_month(instant timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    since timestamptz := date_trunc('month', instant);
    name text := to_char(since, '"archived_jobs_"YYYY_MM');
BEGIN
    IF to_regclass('jobs.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Made beside it and attached: `PARTITION OF` would keep readers out.
    EXECUTE format('CREATE TABLE jobs.%I (LIKE jobs.archived_jobs INCLUDING INDEXES)', name);
    EXECUTE format('ALTER TABLE jobs.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE jobs.archived_jobs ATTACH PARTITION jobs.%I FOR VALUES FROM (%L) TO (%L)',
        name, since, since + interval '1 month');
END $$;
CREATE FUNCTION jobs.drop_archive_months(before timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    name text;
    dropped integer := 0;
BEGIN
    FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'jobs.archived_jobs'::regclass
          AND to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before
    LOOP
        EXECUTE format('DROP TABLE jobs.%I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION jobs.make_archive_month, jobs.drop_archive_months FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobs.make_archive_month, jobs.drop_archive_months TO askstephen_jobs;
"""

COUNTS = """
-- Violations age out, how many there ever were does not.
CREATE TABLE jobs.violation_counts (
    invariant text PRIMARY KEY,
    found bigint NOT NULL
);
INSERT INTO jobs.violation_counts SELECT invariant, count(*) FROM jobs.violations GROUP BY invariant;
GRANT SELECT, INSERT, UPDATE ON jobs.violation_counts TO askstephen_jobs;
ALTER TABLE jobs.violation_counts ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.violation_counts TO askstephen_jobs USING (true);
"""


def upgrade() -> None:
    for part in (ARCHIVE, MONTHS, COUNTS):
        op.execute(part)

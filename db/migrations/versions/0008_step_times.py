"""How long each step takes, as workers measure it: for hints of several, and for telling when a job will start."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE jobs.step_times (
        pipeline text NOT NULL,
        step text NOT NULL,
        mean_seconds double precision NOT NULL,
        runs bigint NOT NULL,
        measured_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (pipeline, step)
    ) WITH (fillfactor = 50)
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.step_times TO askstephen_jobs")
    op.execute("ALTER TABLE jobs.step_times ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY core ON jobs.step_times TO askstephen_jobs USING (true)")

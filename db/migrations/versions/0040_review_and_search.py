"""What a check looked at and who cleared it, decisions on findings, and the passages that search looks through."""

from alembic import op

from db.migrations.access import changeable, part_of

revision = "0040"
down_revision = "0024"

COLUMNS = """
ALTER TABLE public.confidentiality_checks
    ADD COLUMN ran jsonb, ADD COLUMN content_sha256 text, ADD COLUMN cleared_by varchar, ADD COLUMN cleared_at timestamptz;
"""
TABLES = """
-- Every act on a finding; nothing here is changed or removed but with its video.
CREATE TABLE public.confidentiality_decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_id integer NOT NULL REFERENCES public.confidentiality_checks (id) ON DELETE CASCADE,
    video_id integer NOT NULL REFERENCES public.videos (id) ON DELETE CASCADE,
    segment_id text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('resolved', 'ignored', 'pending')),
    note text,
    decided_by varchar NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX confidentiality_decisions_by_check ON public.confidentiality_decisions (check_id, id);
CREATE INDEX confidentiality_decisions_by_video ON public.confidentiality_decisions (video_id);

CREATE TABLE public.video_passages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id integer NOT NULL REFERENCES public.videos (id) ON DELETE CASCADE,
    number integer NOT NULL,
    start_seconds real NOT NULL,
    end_seconds real NOT NULL,
    text text NOT NULL,
    words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', text)) STORED,
    embedding real[],
    embedded_by text,  -- only vectors of the same model can be compared
    UNIQUE (video_id, number)
);
CREATE INDEX video_passages_by_words ON public.video_passages USING gin (words);
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(TABLES)
    for statement in part_of("video_passages", "video_id", "videos"):
        op.execute(statement)
    table = "public.confidentiality_decisions"
    mine = f"EXISTS (SELECT 1 FROM public.videos p WHERE p.id = confidentiality_decisions.video_id AND ({changeable('p')}))"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO askstephen_tenant")
    op.execute(
        f"CREATE POLICY seen ON {table} FOR SELECT TO askstephen_tenant"
        " USING (EXISTS (SELECT 1 FROM public.videos p WHERE p.id = video_id))"
    )
    op.execute(
        f"CREATE POLICY written ON {table} FOR INSERT TO askstephen_tenant"
        f" WITH CHECK (decided_by = (SELECT current_setting('app.user_id', true)) AND {mine})"
    )

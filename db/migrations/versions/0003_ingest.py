"""What an ingest leaves behind and what may start one: files of a video, file versions seen, uploads, API keys."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
-- The row that names a key is what makes a file of an attempt count (`kind` source, ladder, mp4, poster, …).
CREATE TABLE public.video_files (
    video_id integer NOT NULL REFERENCES public.videos (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('source', 'ladder', 'mp4', 'poster', 'transcript', 'captions_vtt', 'captions_srt')),
    key text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    details jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (video_id, kind)
);
CREATE INDEX video_files_by_sha256 ON public.video_files (sha256) WHERE kind = 'source';
CREATE INDEX video_files_by_key ON public.video_files (key text_pattern_ops);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.video_files TO askstephen_tenant;
GRANT SELECT (key) ON public.video_files TO askstephen_jobs;  -- pruning: what no row names is left over
ALTER TABLE public.video_files ENABLE ROW LEVEL SECURITY;
-- The policy of videos holds inside the subquery.
CREATE POLICY own ON public.video_files TO askstephen_tenant
    USING (EXISTS (SELECT 1 FROM public.videos v WHERE v.id = video_id));
CREATE POLICY core ON public.video_files FOR SELECT TO askstephen_jobs USING (true);

-- Every version of a file is taken once.
CREATE TABLE jobs.seen_versions (
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    provider text NOT NULL,
    source_path text NOT NULL,
    version text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, provider, source_path, version)
);
GRANT SELECT, INSERT ON jobs.seen_versions TO askstephen_tenant;
GRANT SELECT, INSERT, DELETE ON jobs.seen_versions TO askstephen_jobs;
ALTER TABLE jobs.seen_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.seen_versions TO askstephen_tenant USING (user_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.seen_versions TO askstephen_jobs USING (true);

-- A resumable upload that has not ended yet; `received_bytes` is on the disk before it is here.
CREATE TABLE jobs.uploads (
    id uuid PRIMARY KEY,
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    file_name text NOT NULL,
    mime_type text,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    received_bytes bigint NOT NULL DEFAULT 0 CHECK (received_bytes BETWEEN 0 AND size_bytes),
    video_id integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX uploads_by_expiry ON jobs.uploads (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.uploads TO askstephen_tenant, askstephen_jobs;
ALTER TABLE jobs.uploads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON jobs.uploads TO askstephen_tenant USING (user_id = current_setting('app.user_id', true));
CREATE POLICY core ON jobs.uploads TO askstephen_jobs USING (true);

-- Only the hash is kept; `hint` is the start of the key, for its owner to tell keys apart.
CREATE TABLE jobs.api_keys (
    id uuid PRIMARY KEY,
    user_id varchar NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    name text NOT NULL,
    hint text NOT NULL,
    key_hash text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
GRANT SELECT, INSERT, UPDATE ON jobs.api_keys TO askstephen_jobs;
ALTER TABLE jobs.api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY core ON jobs.api_keys TO askstephen_jobs USING (true);

CREATE INDEX jobs_by_subject ON jobs.jobs (subject, id DESC) WHERE subject IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(TABLES)

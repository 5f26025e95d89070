-- Run after production.sql: times with a zone everywhere in the video studio, and CHECK constraints.
ALTER TABLE videos ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz,
    ADD CONSTRAINT videos_status_check CHECK (status IN ('uploading', 'ready', 'captioning', 'metadata_ready', 'publishing', 'published', 'error')),
    ADD CONSTRAINT videos_confidentiality_check CHECK (confidentiality_status IN ('pending', 'pass', 'warn', 'fail')),
    ADD CONSTRAINT videos_duration_check CHECK (duration_ms IS NULL OR duration_ms >= 0);
ALTER TABLE video_ingest_requests ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz,
    ALTER COLUMN started_at TYPE timestamptz, ALTER COLUMN completed_at TYPE timestamptz,
    ADD CONSTRAINT provider_known CHECK (provider IN ('dropbox', 'gdrive')),
    ADD CONSTRAINT video_ingest_requests_status_check CHECK (status IN ('queued', 'downloading', 'processing', 'transcribing', 'done', 'error'));
ALTER TABLE confidentiality_checks ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN completed_at TYPE timestamptz;
ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz;

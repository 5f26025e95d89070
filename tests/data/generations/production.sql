-- Run after replit.sql: the first deployment. 18 tables, other words, some times with a zone, columns of its own.
DROP TABLE competitor_changes, competitor_snapshots, referral_partner_categories, leads_swot_analyses, business_leads,
    leads_search_schedules, leads_searches, leads_clients, company_memberships, companies;
ALTER TABLE users DROP COLUMN role, DROP COLUMN notes;
ALTER TABLE users ALTER COLUMN id DROP DEFAULT;
ALTER TABLE users ADD COLUMN clerk_metadata jsonb;
ALTER TABLE videos ADD COLUMN assembly_id text, ADD COLUMN file_size bigint, ADD COLUMN mime_type varchar(120), ADD COLUMN ai_summary text,
    ADD COLUMN category text DEFAULT '22', ADD COLUMN youtube_channel_id text, ADD COLUMN youtube_response jsonb,
    ADD COLUMN published_at timestamptz, ADD COLUMN confidentiality_issues jsonb, ADD COLUMN last_confidentiality_check_at timestamptz;
ALTER TABLE confidentiality_checks DROP COLUMN high_count, DROP COLUMN medium_count, DROP COLUMN low_count,
    ADD COLUMN user_id varchar NOT NULL REFERENCES users (id), ADD COLUMN counts jsonb;
ALTER TABLE video_ingest_requests ALTER COLUMN source_file_size TYPE bigint;
ALTER TABLE cloud_connections ALTER COLUMN is_active DROP DEFAULT, ALTER COLUMN is_active TYPE boolean USING is_active::boolean,
    ALTER COLUMN is_active SET DEFAULT true, ADD COLUMN access_token text, ADD COLUMN refresh_token text, ADD COLUMN token_expires_at timestamptz;

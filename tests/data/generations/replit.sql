-- The rebuild: 28 tables, naive timestamps, statuses as plain text.
CREATE TABLE users (id varchar PRIMARY KEY DEFAULT gen_random_uuid(), email varchar UNIQUE, first_name varchar, last_name varchar,
    profile_image_url varchar, role varchar DEFAULT 'user', default_channel_id integer, notes text,
    created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now());
CREATE TABLE sessions (sid varchar PRIMARY KEY, sess jsonb NOT NULL, expire timestamp NOT NULL);
CREATE INDEX "IDX_session_expire" ON sessions (expire);
CREATE TABLE videos (id serial PRIMARY KEY, user_id varchar NOT NULL CONSTRAINT videos_user_id_users_id_fk REFERENCES users (id),
    original_filename text NOT NULL, storage_path text NOT NULL, status text NOT NULL DEFAULT 'uploading', transcript text, captions jsonb,
    title text, description text, tags text, hashtags text, sentiment text, categories text, thumbnail_prompt text, thumbnail_url text,
    speaker_image_url text, language text DEFAULT 'en', duration_ms integer, suggested_start_ms integer, trim_start_ms integer,
    trim_end_ms integer, parent_video_id integer, start_sec integer, end_sec integer, privacy_status text DEFAULT 'private',
    youtube_id text, youtube_url text, error_message text, confidentiality_status text DEFAULT 'pending',
    last_confidentiality_check_id integer, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE video_ingest_requests (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id), provider text NOT NULL,
    source_path text NOT NULL, source_file_name text NOT NULL, source_file_size integer, status text NOT NULL DEFAULT 'queued',
    progress jsonb, error_message text, video_id integer REFERENCES videos (id), downloaded_path text, started_at timestamp,
    completed_at timestamp, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE cloud_connections (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id), provider text NOT NULL,
    account_id text, account_name text, account_email text, profile_photo_url text, selected_folder_path text, selected_folder_name text,
    is_active text NOT NULL DEFAULT 'true', last_synced_at timestamp, metadata jsonb,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE confidentiality_checks (id serial PRIMARY KEY, video_id integer NOT NULL REFERENCES videos (id),
    status text NOT NULL DEFAULT 'pending', overall_status text, segments jsonb, summary text, high_count integer DEFAULT 0,
    medium_count integer DEFAULT 0, low_count integer DEFAULT 0, model_used text, triggered_by varchar REFERENCES users (id),
    error_message text, completed_at timestamp, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE youtube_channels (id serial PRIMARY KEY, channel_id text NOT NULL UNIQUE, title text, handle text, description text,
    thumbnail_url text, subscriber_count integer, video_count integer, view_count integer, uploads_playlist_id text,
    last_synced_at timestamp, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE user_channels (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    channel_id integer NOT NULL REFERENCES youtube_channels (id), is_default boolean DEFAULT false, created_at timestamp NOT NULL DEFAULT now(),
    UNIQUE (user_id, channel_id));
CREATE TABLE conversations (id serial PRIMARY KEY, user_id varchar, title text NOT NULL, created_at timestamp NOT NULL DEFAULT now());
CREATE TABLE messages (id serial PRIMARY KEY, conversation_id integer NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    role text NOT NULL, content text NOT NULL, created_at timestamp NOT NULL DEFAULT now());
CREATE TABLE search_queries (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id), query text NOT NULL, results jsonb,
    total_found integer DEFAULT 0, created_at timestamp NOT NULL DEFAULT now());
CREATE TABLE workbook_progress (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id), started_at timestamp DEFAULT now(),
    last_updated timestamp DEFAULT now(), completed_sections text[], completion_percentage integer DEFAULT 0, status text DEFAULT 'in_progress',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE core_values (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    workbook_id integer REFERENCES workbook_progress (id), how_you_were_made text, business_given text, desire_for_customers text,
    problems_you_solve text, principle_at_heart text, feelings_generated text, core_value_draft_1 text, core_value_draft_2 text,
    core_value_final text, ai_suggestions text[], alignment_scores jsonb, status text DEFAULT 'draft',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE workbook_swot_analyses (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    workbook_id integer REFERENCES workbook_progress (id), business_area text DEFAULT 'overall', strengths jsonb, weaknesses jsonb,
    opportunities jsonb, threats jsonb, key_insight text, key_metric text, ai_patterns text[], status text DEFAULT 'draft',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE root_cause_charts (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    workbook_id integer REFERENCES workbook_progress (id), before_triggers text, problem_description text, after_results text,
    five_whys jsonb, when_where_how text, who_affected text, when_not_issue text, what_driving text, conditions_worse text,
    how_stop_forever text, who_wins_loses text, what_stopping_us text, symptom text, root_cause text, priority_impact text,
    problem_statement text, affected_areas text[], ai_root_cause_suggestion text, status text DEFAULT 'draft',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE time_audits (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    workbook_id integer REFERENCES workbook_progress (id), owner_rate integer DEFAULT 150, tasks jsonb, total_hours_logged integer,
    high_value_hours integer, medium_value_hours integer, low_value_hours integer, tasks_to_delegate jsonb, hours_to_reclaim integer,
    what_to_do_with_time text, time_management_rating integer DEFAULT 3, biggest_time_wasters text[], status text DEFAULT 'draft',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE action_plans (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    workbook_id integer REFERENCES workbook_progress (id), selected_strategy text, strategy_label text, milestones jsonb, tasks jsonb,
    metrics jsonb, quarter_start_date timestamp, weekly_goals jsonb, notes text, status text DEFAULT 'draft',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE ai_coach_conversations (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    workbook_id integer REFERENCES workbook_progress (id), section text, messages jsonb, key_insights text[], action_items text[],
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE companies (id serial PRIMARY KEY, name text NOT NULL, website text, industry text, owner_id varchar REFERENCES users (id),
    settings jsonb, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE company_memberships (id serial PRIMARY KEY, company_id integer NOT NULL REFERENCES companies (id),
    user_id varchar NOT NULL REFERENCES users (id), role text NOT NULL DEFAULT 'member', created_at timestamp NOT NULL DEFAULT now(),
    UNIQUE (company_id, user_id));
CREATE TABLE leads_clients (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id), name text NOT NULL, address text NOT NULL,
    keyword text NOT NULL, google_business_url text, business_type text NOT NULL DEFAULT 'ideal_customer', zip_code text, city text, state text,
    notes text, is_active boolean DEFAULT true, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE leads_searches (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    client_id integer NOT NULL REFERENCES leads_clients (id), keyword text NOT NULL, geo text NOT NULL, start_offset integer DEFAULT 0,
    search_types text[] DEFAULT '{ideal_customer,competitor,partner}', verify_emails_requested boolean DEFAULT false,
    status text NOT NULL DEFAULT 'pending', results jsonb, total_found integer DEFAULT 0, error_message text, completed_at timestamp,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE leads_search_schedules (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    client_id integer NOT NULL REFERENCES leads_clients (id), schedule_type text NOT NULL, interval_days integer, day_of_week integer,
    day_of_month integer, run_hour integer DEFAULT 9, timezone text DEFAULT 'America/New_York', is_active boolean DEFAULT true,
    last_run_at timestamp, next_run_at timestamp, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE business_leads (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    client_id integer NOT NULL REFERENCES leads_clients (id), search_id integer REFERENCES leads_searches (id), position integer,
    title text NOT NULL, place_id text UNIQUE, address text, city text, state text, zip text, phone text, website text, email text,
    email_status text DEFAULT 'unknown', email_verified_at timestamp, rating text, review_count integer, business_type text,
    industry text, category text, partnership_score integer, partnership_factors jsonb, referral_trigger text, partnership_model text,
    approach_script text, potential_value text, status text DEFAULT 'new', notes text, raw_data jsonb,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE INDEX business_leads_client_idx ON business_leads (client_id);
CREATE TABLE leads_swot_analyses (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    client_id integer NOT NULL REFERENCES leads_clients (id), strengths jsonb, weaknesses jsonb, opportunities jsonb, threats jsonb,
    summary text, model_used text, leads_analyzed integer DEFAULT 0, status text NOT NULL DEFAULT 'pending', error_message text,
    completed_at timestamp, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE referral_partner_categories (id serial PRIMARY KEY, name text NOT NULL, industry text, category text, referral_trigger text,
    description text, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE competitor_snapshots (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    client_id integer NOT NULL REFERENCES leads_clients (id), source text NOT NULL, url text, captured_at timestamp NOT NULL DEFAULT now(),
    content_hash text, http_status integer, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE competitor_changes (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id),
    client_id integer NOT NULL REFERENCES leads_clients (id), change_type text NOT NULL, field text, before text, after text, severity text,
    summary text, detected_at timestamp NOT NULL DEFAULT now(), acknowledged_at timestamp,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());

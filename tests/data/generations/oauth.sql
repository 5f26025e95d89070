-- What live copies of the rebuild carry beside it.
CREATE TABLE user_social_accounts (id serial PRIMARY KEY, user_id varchar NOT NULL REFERENCES users (id), platform text NOT NULL DEFAULT 'youtube',
    account_id text, account_name text, account_email text, channel_id text, profile_image_url text, access_token text, refresh_token text,
    token_expires_at timestamp, is_active boolean DEFAULT true, metadata jsonb,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now());
CREATE TABLE oauth_states (id serial PRIMARY KEY, user_id varchar REFERENCES users (id), provider text NOT NULL, state text NOT NULL UNIQUE,
    created_at timestamp NOT NULL DEFAULT now());

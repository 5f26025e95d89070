"""The two roles that requests and the job core act as; they belong to the server, so no dump of a database holds them."""

ROLES = """
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['askstephen_tenant', 'askstephen_jobs'] LOOP
        -- Roles belong to the whole server: another database of it may have made them already, or be making them now.
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS NOINHERIT', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT pg_has_role(current_user, name, 'USAGE') THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
END $$;
"""

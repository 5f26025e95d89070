"""What who runs the installation may do past the policies of owners: see every video, and remove a user."""

from alembic import op

revision = "0042"
down_revision = "0034"


def upgrade() -> None:
    op.execute("""
    -- Asks for the role itself: a route that forgets to is refused here.
    CREATE FUNCTION jobs.every_video(before integer, most integer) RETURNS SETOF public.videos
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT v.* FROM public.videos v
        WHERE (before IS NULL OR v.id < before) AND EXISTS (
            SELECT 1 FROM public.users u
            WHERE u.id = nullif(current_setting('app.user_id', true), '') AND u.role IN ('superadmin', 'admin')
        )
        ORDER BY v.id DESC LIMIT most
    $$;
    REVOKE EXECUTE ON FUNCTION jobs.every_video(integer, integer) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION jobs.every_video(integer, integer) TO askstephen_tenant;
    GRANT UPDATE (is_default) ON public.user_channels TO askstephen_jobs;
    GRANT DELETE ON public.users, public.sessions TO askstephen_jobs;
    """)

"""A row whose tokens are sealed anew says the same as before: its `updated_at` stays."""

from alembic import op

revision = "0052"
down_revision = "0051"

TRIGGER = """
CREATE OR REPLACE TRIGGER keep_updated_at BEFORE UPDATE ON public.{table} FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{{access_token,refresh_token}}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{{access_token,refresh_token}}'::text[])
    EXECUTE FUNCTION public.keep_updated_at()
"""


def upgrade() -> None:
    for table in ("cloud_connections", "user_social_accounts"):
        op.execute(TRIGGER.format(table=table))

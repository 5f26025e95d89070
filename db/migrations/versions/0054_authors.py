"""Who wrote a message: a member removes their own from a company's conversation, whoever may remove the conversation any."""

from alembic import op

from db.migrations.access import ME, changeable, keep_owner, removable

revision = "0054"
down_revision = "0053"


def _of_conversation(holds: str) -> str:
    return f"EXISTS (SELECT 1 FROM public.conversations p WHERE p.id = messages.conversation_id AND ({holds}))"


AUTHORS = f"""
ALTER TABLE public.messages ADD COLUMN user_id varchar REFERENCES public.users (id);
DROP POLICY written ON public.messages;
CREATE POLICY written ON public.messages FOR INSERT TO askstephen_tenant
    WITH CHECK (messages.user_id = {ME} AND {_of_conversation(changeable("p"))});
DROP POLICY removed ON public.messages;
CREATE POLICY removed ON public.messages FOR DELETE TO askstephen_tenant USING (
    {_of_conversation(removable("p"))} OR (messages.user_id = {ME} AND {_of_conversation(changeable("p"))}));
"""


def upgrade() -> None:
    for statement in (AUTHORS, *keep_owner("messages", "user_id")):
        op.execute(statement)

"""Tokens of the accounts that a step works for."""

from pipelines.context import Context
from pipelines.providers.accounts import access_token
from pipelines.providers.clouds import Token


def token_of(ctx: Context, connection_id: int) -> Token:
    """Gives a token of this connection whenever one is needed; none is kept, and none gets into a message or a log."""
    return lambda refused: access_token(ctx.database, connection_id, refused=refused)

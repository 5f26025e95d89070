"""Conversations with their messages, and what was searched for."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.chat import conversations, messages, search_queries
from db.base.rows import MOST, get_row, insert_row, list_rows, update_row


def insert_conversation(session: Session, title: str, *, user_id: str, company_id: int | None = None) -> RowMapping:
    """A new conversation without messages."""
    return insert_row(session, conversations, {"title": title, "user_id": user_id, "company_id": company_id})


def list_conversations(session: Session, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Newest first."""
    return list_rows(session, conversations, before=before, limit=limit)


def get_conversation(session: Session, conversation_id: int) -> RowMapping:
    """One conversation. Raises NotFound."""
    return get_row(session, conversations, conversation_id)


def insert_message(session: Session, conversation_id: int, *, role: str, content: str, user_id: str) -> RowMapping:
    """Add a message by this user, or for them, which makes the conversation changed now. Raises NotFound, Refused."""
    update_row(session, conversations, conversation_id, {"updated_at": func.now()})
    said = {"conversation_id": conversation_id, "role": role, "content": content, "user_id": user_id}
    return insert_row(session, messages, said)


def list_messages(session: Session, conversation_id: int, *, after: int = 0, limit: int = MOST) -> list[RowMapping]:
    """In the order in which they were said, from `after` (exclusive) on. Raises NotFound."""
    get_conversation(session, conversation_id)
    if not 1 <= limit <= MOST:
        raise Invalid(f"limit must be from 1 to {MOST}")
    said = messages.c.conversation_id == conversation_id
    statement = select(messages).where(said, messages.c.id > after).order_by(messages.c.id).limit(limit)
    return list(session.execute(statement).mappings())


def list_messages_before(session: Session, conversation_id: int, message_id: int, *, limit: int) -> list[RowMapping]:
    """The last messages with words before this one, in the order in which they were said."""
    said = (messages.c.conversation_id == conversation_id, messages.c.id < message_id, messages.c.content != "")
    newest = select(messages).where(*said).order_by(messages.c.id.desc()).limit(limit)
    return list(session.execute(newest).mappings())[::-1]


def set_message(session: Session, message_id: int, content: str) -> RowMapping:
    """Write what a message says by now. Raises NotFound, Refused."""
    return update_row(session, messages, message_id, {"content": content})


def get_message(session: Session, message_id: int) -> RowMapping:
    """One message. Raises NotFound."""
    return get_row(session, messages, message_id)


def insert_search(
    session: Session, query: str, results: Sequence[Mapping[str, Any]], *, user_id: str, company_id: int | None = None
) -> RowMapping:
    """Keep what was searched for, and what was found."""
    found = {"query": query, "results": [dict(result) for result in results], "total_found": len(results)}
    return insert_row(session, search_queries, {"user_id": user_id, "company_id": company_id, **found})


def list_searches(session: Session, *, user_id: str, before: int | None = None, limit: int = 10) -> list[RowMapping]:
    """What this user searched for, newest first."""
    return list_rows(session, search_queries, search_queries.c.user_id == user_id, before=before, limit=limit)

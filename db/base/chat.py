"""Conversations with their messages, and what was searched for."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from db.base.columns import Document, by_owner, company, created_at, key, metadata, updated_at, user

conversations = Table(
    "conversations",
    metadata,
    key(),
    user(required=False),  # earlier rows may belong to nobody; then nobody sees them
    company(),
    Column("title", Text, nullable=False),
    created_at(),
    updated_at(),
    *by_owner("conversations"),
)

messages = Table(
    "messages",
    metadata,
    key(),
    Column("conversation_id", Integer, ForeignKey("public.conversations.id", ondelete="CASCADE"), nullable=False),
    user(required=False),  # who wrote it, or whom it answers; of earlier ones nobody knows
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    created_at(),
    Index("messages_by_conversation", "conversation_id", "id"),
)

search_queries = Table(
    "search_queries",
    metadata,
    key(),
    user(),
    company(),
    Column("query", Text, nullable=False),
    Column("results", Document),
    Column("total_found", Integer, nullable=False, server_default=text("0")),
    created_at(),
    updated_at(),
    *by_owner("search_queries"),
)

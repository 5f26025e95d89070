"""The product's thirty tables: one description, for queries, for `schema compare`, and for the test that migrations agree with it.

One file per area; each also has the words its columns may hold, and the moves of those that are statuses.
"""

from db.base import accounts, chat, companies, competitors, connections, leads, videos, workbook
from db.base.columns import metadata

__all__ = ["accounts", "chat", "companies", "competitors", "connections", "leads", "metadata", "videos", "workbook"]

"""Whatever an earlier product left in a column of documents, each page and each route that reads answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import JSON
from sqlalchemy.dialects.postgresql import JSONB

from core.local_stack.servers import Servers
from db.base import metadata
from db.base.accounts import UserRole, users
from tests.contract.test_matrix import Matrix, built

# What the products ever called the parts of their documents: of findings, captions, results, SWOT items, messages, plans and settings.
KEYS = (
    *("id", "startTime", "endTime", "startSeconds", "endSeconds", "category", "severity", "reason", "confidence", "excerpt"),
    *("rule", "source", "resolutionStatus", "resolutionNote", "resolvedBy", "resolvedAt", "start", "end", "text", "words"),
    *("videoId", "videoTitle", "thumbnailUrl", "youtubeId", "relevanceScore", "matchSummary", "relevantSegments"),
    *("title", "name", "placeId", "email", "rating", "reviews", "position", "role", "content", "items", "folders", "percent"),
    *("referralPotential", "reputationMatch", "establishedPresence", "strengths", "summary", "topPartners", "fields"),
)
PARTS: list[Any] = [None, "", "words", 7, -1e300, True, [], [None], {}]
ODD: list[Any] = [JSON.NULL, [], {}, "words", 7, [None, "words", 7, []], {"older": {"still": [1]}}]
KNOWN: list[Any] = [dict.fromkeys(KEYS, part) for part in ("words", 7, [None], {})]
KNOWN.append([dict.fromkeys(KEYS, part) for part in PARTS])


@pytest.fixture(scope="module")
def matrix(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Asked as Anna, who may enter every page."""
    with built(stack, tmp_path_factory.mktemp("odd"), shares=False) as made:
        made.connection.execute(users.update().where(users.c.id == "anna").values(role=UserRole.SUPERADMIN))
        yield made


def write_everywhere(matrix: Matrix, document: Any) -> int:
    """Into every column of documents; returns how many rows there are of them."""
    written = 0
    for table in metadata.sorted_tables:
        names = [column.name for column in table.columns if isinstance(column.type, JSONB)]
        if names:
            written += matrix.connection.execute(table.update().values(dict.fromkeys(names, document))).rowcount
    return written


@pytest.mark.parametrize("document", [*ODD, *KNOWN], ids=lambda document: str(document)[:50])
def test_everything_that_reads_answers(matrix: Matrix, document: Any):
    assert write_everywhere(matrix, document) > 10
    asking = TestClient(matrix.client.app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {matrix.keys['anna']}"}
    found = {}
    for one in matrix.asked:
        if one.method == "GET" and not one.streams:
            answer = asking.get(matrix.rows.url(one), headers=headers, follow_redirects=False)
            found[one.name] = answer.status_code
    assert [name for name, status in found.items() if status == 500] == []
    assert sum(status == 200 for status in found.values()) > 110

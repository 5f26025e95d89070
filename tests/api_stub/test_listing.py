"""What earlier clients read as one array is whole, however long; and the same page by page."""

import csv
import io

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from db.base.rows import MOST
from db.engine import Database

MANY = 2 * MOST + 5
FILL = {
    "/api/videos": "INSERT INTO videos (user_id, original_filename, storage_path) SELECT :user, 'a.mp4', '' FROM generate_series(1, :n)",
    "/api/unsecured-videos": "INSERT INTO videos (user_id, original_filename, storage_path) SELECT :user, 'a.mp4', '' FROM generate_series(1, :n)",
    "/api/ingest-requests": """
        INSERT INTO video_ingest_requests (user_id, provider, source_path, source_file_name)
        SELECT :user, 'dropbox', 'a', 'a' FROM generate_series(1, :n)
    """,
    "/api/leads/clients": """
        INSERT INTO leads_clients (user_id, name, address, keyword) SELECT :user, 'a', 'b', 'c' FROM generate_series(1, :n)
    """,
    "/api/leads/clients/1/searches": """
        WITH client AS (INSERT INTO leads_clients (user_id, name, address, keyword) VALUES (:user, 'a', 'b', 'c') RETURNING id)
        INSERT INTO leads_searches (user_id, client_id, keyword, geo) SELECT :user, client.id, 'c', 'b' FROM client, generate_series(1, :n)
    """,
}


def fill(database: Database, path: str, owner: str, rows: int) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(FILL[path]), {"user": owner, "n": rows})


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()]


@pytest.mark.parametrize("path", FILL)
def test_it_is_whole_and_so_are_its_pages(client: TestClient, database: Database, owner: str, path: str):
    fill(database, path, owner, MANY)
    everything = ids(client.get(path))
    assert everything == list(range(MANY, 0, -1))
    paged, link = [], {"url": f"{path}?limit=150"}
    while link:
        answer = client.get(link["url"])
        paged += ids(answer)
        link = answer.links.get("next")
    assert paged == everything


@pytest.mark.parametrize("rows", [0, MOST])
def test_its_ends_are_where_they_should_be(client: TestClient, database: Database, owner: str, rows: int):
    fill(database, "/api/videos", owner, rows)
    assert len(ids(client.get("/api/videos"))) == rows


def test_what_fails_before_the_first_byte_is_told_as_an_error(client: TestClient, database: Database):
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE videos RENAME COLUMN title TO gone"))
    answer = client.get("/api/videos")
    assert answer.status_code == 500
    assert answer.json()["message"]


def test_a_spreadsheet_has_every_video_once_and_each_value_as_it_is(client: TestClient, database: Database, owner: str):
    titles = ["plain", '"quoted", and, commas', "two\r\nlines", "=1+1", "naïve — ünï ✓", "", "NULL", None]
    with database.engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO videos (user_id, original_filename, storage_path, title)
            SELECT :user, 'a.mp4', '', (CAST(:titles AS text[]))[1 + n % 8] FROM generate_series(1, 1203) n
            """),
            {"user": owner, "titles": titles},
        )
    answer = client.get("/api/admin/export-csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["id"]) for row in rows] == list(range(1203, 0, -1))
    shown = [("'=1+1" if title == "=1+1" else title) or "" for title in titles]
    assert [row["title"] for row in rows] == [shown[int(row["id"]) % 8] for row in rows]
    assert all(row["status"] == "uploading" for row in rows)

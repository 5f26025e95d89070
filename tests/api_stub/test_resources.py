"""/v1 over the tables, with rows of any table made from its model."""

import re

import httpx
import pytest
from fastapi.testclient import TestClient

from api_stub.resources import RESOURCES
from api_stub.tables import Resource
from db.base import metadata
from db.base.chat import conversations
from db.base.leads import business_leads, leads_clients
from db.base.workbook import core_values
from db.engine import Database
from tests.api_stub.conftest import bearer, is_problem
from tests.db.rows import insert_row, owner_column, parents

# Why there is no route is told in docs/api.md.
NOT_HERE = {"users", "sessions", "oauth_states", "companies", "company_memberships"}


def made(database: Database, table, user: str, **given: object) -> int:
    with database.engine.begin() as connection:
        return insert_row(connection, table, user, **given)


def test_every_table_is_offered_or_left_out_on_purpose():
    offered = {resource.table.name for resource in RESOURCES}
    assert offered | NOT_HERE == {table.name for table in metadata.tables.values()}
    assert offered & NOT_HERE == set()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.table.name)
def test_a_row_is_listed_and_read_and_no_token_with_it(client: TestClient, database: Database, owner: str, resource: Resource):
    row_id = made(database, resource.table, owner)
    listed = client.get(resource.path)
    if resource.table.name == "youtube_channels":  # seen by who may publish to it
        assert listed.json() == {"items": [], "next_cursor": None}
        return
    assert row_id in [row["id"] for row in listed.json()["items"]]
    shown = client.get(f"{resource.path}/{row_id}").json()
    assert set(shown) == {column.name for column in resource.table.columns} - set(resource.hidden)
    assert not any("token" in name or "raw" in name for name in shown)


def test_pages_follow_each_other_and_the_last_one_says_so(client: TestClient, database: Database, owner: str):
    written = [made(database, conversations, owner) for _ in range(5)]
    first = client.get("/v1/conversations?limit=3").json()
    rest = client.get(f"/v1/conversations?limit=3&cursor={first['next_cursor']}").json()
    assert [row["id"] for row in first["items"] + rest["items"]] == written[::-1]
    assert rest["next_cursor"] is None


def test_a_list_is_narrowed_by_what_it_has_filters_for(client: TestClient, database: Database, owner: str):
    client_id = made(database, leads_clients, owner)
    kept = made(database, business_leads, owner, client_id=client_id, status="qualified")
    made(database, business_leads, owner, client_id=client_id)
    made(database, business_leads, owner, status="qualified")
    answer = client.get(f"/v1/business-leads?client_id={client_id}&status=qualified")
    assert [row["id"] for row in answer.json()["items"]] == [kept]
    assert is_problem(client.get("/v1/business-leads?status=sold"), 422, "status")
    assert is_problem(client.get("/v1/business-leads?colour=red"), 422, "colour")


def written_in(client: httpx.Client, path: str, sent: dict[str, object]) -> str:
    answer = client.post(path, json=sent)
    assert answer.status_code == 201, answer.text
    assert client.get(answer.headers["location"]).json() == answer.json()
    return answer.headers["location"]


def test_what_is_written_is_there_changed_and_gone(client: TestClient):
    at = written_in(client, "/v1/leads-clients", {"name": "A", "address": "B", "keyword": "C"})
    assert client.patch(at, json={"city": "Springfield"}).json()["city"] == "Springfield"
    assert client.patch(at, json={"city": None}).json()["city"] is None
    assert is_problem(client.patch(at, json={"name": None}), 422, "name")
    assert is_problem(client.patch(at, json={"user_id": "bela"}), 422, "user_id")
    assert client.delete(at).status_code == 204
    assert is_problem(client.get(at), 404)


def test_messages_are_said_in_conversations_of_ones_own(client: TestClient, database: Database, owner: str, bela: str):
    mine, said = made(database, conversations, owner), {"role": "user", "content": "Good morning"}
    written_in(client, "/v1/messages", {"conversation_id": mine, **said})
    for wrong in (mine + 1, made(database, conversations, "bela")):
        assert is_problem(client.post("/v1/messages", json={"conversation_id": wrong, **said}), 404)
    assert client.get("/v1/messages", headers=bearer(bela)).json()["items"] == []
    assert client.delete(f"/v1/conversations/{mine}").status_code == 204
    assert client.get(f"/v1/messages?conversation_id={mine}").json()["items"] == []


@pytest.mark.parametrize(
    "resource",
    [one for one in RESOURCES if not owner_column(one.table) and parents(one.table)],
    ids=lambda one: one.table.name,
)
def test_rows_that_do_not_say_whose_they_are_are_listed_for_who_sees_their_parent(
    client: TestClient, database: Database, owner: str, bela: str, resource: Resource
):
    """Where the list is asked for without naming the parent, too."""
    company = made(database, metadata.tables["public.companies"], "bela")
    belas, of_company, mine = (
        made(database, resource.table, user, company_id=of) for user, of in (("bela", None), ("bela", company), (owner, None))
    )
    assert listed(client, resource, bearer(bela)) == {belas, of_company}
    assert listed(client, resource) == {mine}
    made(database, metadata.tables["public.company_memberships"], owner, company_id=company)
    assert listed(client, resource) == {mine, of_company}


def listed(client: TestClient, resource: Resource, headers: dict[str, str] | None = None) -> set[int]:
    return {row["id"] for row in client.get(resource.path, headers=headers).json()["items"]}


def test_what_names_anothers_company_is_refused_and_so_is_one_that_is_not_there(
    client: TestClient, database: Database, bela: str
):
    company = made(database, metadata.tables["public.companies"], "bela")
    for wrong in (company, 10**6):
        assert is_problem(client.post("/v1/conversations", json={"title": "Hello", "company_id": wrong}), 403)


def test_a_lead_moves_as_leads_do_and_remembers_who_set_what(client: TestClient, database: Database, owner: str):
    at = f"/v1/business-leads/{made(database, business_leads, owner)}"
    assert client.patch(at, json={"phone": "1", "status": "lost"}).json()["edited_fields"] == ["phone"]
    assert client.patch(at, json={"status": "converted"}).status_code == 403


def test_the_workbook_counts_what_is_changed_and_removed_here(client: TestClient, database: Database, owner: str):
    at = f"/v1/core-values/{made(database, core_values, owner)}"

    def percentage() -> int:
        return client.get("/v1/workbook-progress").json()["items"][0]["completion_percentage"]

    assert client.patch(at, json={"status": "complete"}).json()["status"] == "complete"
    assert percentage() == 20
    assert client.delete(at).status_code == 204
    assert percentage() == 0


def test_areas_are_entered_by_who_may(client: TestClient, bela: str):
    refused = {
        resource.path
        for resource in RESOURCES
        if client.get(resource.path, headers=bearer(bela)).status_code == 403  # bela's role is `user`
    }
    assert refused == {resource.path for resource in RESOURCES if re.search("workbook", str(resource.area))}

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from db.engine import Database
from tests.api_stub.conftest import bearer, is_problem


@pytest.fixture
def company(client: TestClient) -> str:
    answer = client.post("/v1/companies", json={"name": "Bakery", "industry": "bread"})
    assert answer.status_code == 201
    return answer.headers["location"]


@pytest.fixture
def bela_with_address(database: Database, bela: str) -> Iterator[dict[str, str]]:
    with database.jobs() as session:
        session.execute(text("UPDATE users SET email = 'bela@example.com' WHERE id = 'bela'"))
    return bearer(bela)


def invite(client: TestClient, company: str, **sent: str) -> str:
    answer = client.post(f"{company}/invitations", json={"email": "Bela@example.com", **sent})
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def test_who_makes_a_company_owns_it_and_others_do_not_know_of_it(client: TestClient, company: str, bela: str, owner: str):
    assert client.get(company).json()["owner_id"] == owner
    assert [member["role"] for member in client.get(f"{company}/members").json()["items"]] == ["owner"]
    for path in ("", "/members", "/invitations"):
        assert is_problem(client.get(company + path, headers=bearer(bela)), 404)
    assert client.get("/v1/companies", headers=bearer(bela)).json()["items"] == []


def test_an_invitation_lets_one_in_once(client: TestClient, company: str, bela_with_address: dict[str, str]):
    token = invite(client, company)
    listed = client.get(f"{company}/invitations")
    assert [one["email"] for one in listed.json()["items"]] == ["Bela@example.com"]
    assert token not in listed.text
    accepted = client.post("/v1/invitations/accept", json={"token": token}, headers=bela_with_address)
    assert accepted.json() == {"company_id": int(company.rpartition("/")[2])}
    assert is_problem(client.post("/v1/invitations/accept", json={"token": token}, headers=bela_with_address), 404)
    assert client.get(company, headers=bela_with_address).status_code == 200


def test_an_invitation_is_for_its_address(client: TestClient, company: str, bela: str):
    token = invite(client, company)
    assert is_problem(client.post("/v1/invitations/accept", json={"token": token}, headers=bearer(bela)), 404)


def test_one_that_is_withdrawn_is_worthless(client: TestClient, company: str, bela_with_address: dict[str, str]):
    token = invite(client, company)
    assert client.delete(f"{company}/invitations/bela@example.com").status_code == 204
    assert is_problem(client.post("/v1/invitations/accept", json={"token": token}, headers=bela_with_address), 404)


def test_a_member_works_and_does_not_manage(client: TestClient, company: str, bela_with_address: dict[str, str]):
    client.post("/v1/invitations/accept", json={"token": invite(client, company)}, headers=bela_with_address)
    for method, path, sent in (
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("GET", "/invitations", None),
        ("POST", "/invitations", {"email": "a@b.example"}),
        ("DELETE", "/invitations/a@b.example", None),
        ("PATCH", "/members/bela", {"role": "admin"}),
    ):
        answer = client.request(method, company + path, json=sent, headers=bela_with_address)
        assert is_problem(answer, 403), (method, path)
    assert client.patch(f"{company}/members/bela", json={"role": "admin"}).status_code == 204
    assert client.patch(company, json={"name": "Ours"}, headers=bela_with_address).json()["name"] == "Ours"
    assert client.delete(f"{company}/members/bela", headers=bela_with_address).status_code == 204
    assert is_problem(client.get(company, headers=bela_with_address), 404)


def test_the_owner_stays(client: TestClient, company: str, owner: str):
    assert is_problem(client.delete(f"{company}/members/{owner}"), 409)
    assert is_problem(client.patch(f"{company}/members/{owner}", json={"role": "member"}), 409)
    assert is_problem(client.patch(company, json={"owner_id": "bela"}), 422)
    assert is_problem(client.patch(company, json={"name": ""}), 422)
    assert client.delete(company).status_code == 204
    assert is_problem(client.get(company), 404)

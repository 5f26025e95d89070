from db.engine import Database
from db.leads import clients, found
from testkit import Worker
from tests.api_stub.conftest import Served, at_work

OURS = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield"}
PARTNER = {"title": "Bright Sparks", "business_type": "partner", "rating": "4.8", "partnership_score": 88}


def test_an_analysis_is_waited_for_and_listed(served: Served, worker: Worker, database: Database, owner: str):
    with database.tenant(owner) as session:
        client = clients.insert_client(session, OURS, user_id=owner)["id"]
        found.keep_found(session, client, [PARTNER], user_id=owner)
    with at_work(worker):
        answer = served.client.post(f"/api/leads/clients/{client}/swot")
    assert answer.status_code == 200
    analysis = answer.json()
    assert (analysis["status"], analysis["leadsAnalyzed"]) == ("completed", 1)
    assert analysis["modelUsed"] == "rules, without a language model"
    assert analysis["opportunities"][0]["source"] == "Bright Sparks"
    assert served.client.get(f"/api/leads/clients/{client}/swot").json() == [analysis]

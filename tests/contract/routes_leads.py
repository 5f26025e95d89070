"""Leads and intelligence."""

from db.base import leads
from db.leads import clients
from tests.contract.route import Arguments, Route, World, keys

AWAITED: set[str] = {
    "POST /leads/webhook/results",
    "POST /intel/analyze",
    "POST /intel/callback",
    "GET /intel/results/:clientId",
}
CLIENT = keys(
    """
    id userId name address keyword googleBusinessUrl businessType zipCode city state notes isActive createdAt updatedAt
    """
)
SEARCH = keys(
    """
    id userId clientBusinessId keyword geo startOffset searchTypes verifyEmailsRequested status results totalFound errorMessage
    completedAt createdAt updatedAt
    """
)
ANALYSIS = keys(
    """
    id userId clientBusinessId strengths weaknesses opportunities threats summary modelUsed leadsAnalyzed status errorMessage
    completedAt createdAt updatedAt
    """
)
SENT = {"name": "Bakery", "address": "1 Mill Lane", "keyword": "bread", "city": "Springfield", "id": 3}


def a_client(world: World, owner: str) -> Arguments:
    with world.database.tenant(owner) as session:
        made = {name: SENT[name] for name in ("name", "address", "keyword")}
        return {"client_id": clients.insert_client(session, made, user_id=owner)["id"]}


def a_search(world: World, owner: str) -> Arguments:
    arguments = a_client(world, owner)
    world.insert(leads.leads_searches, owner, client_id=arguments["client_id"])
    return arguments


def an_analysis(world: World, owner: str) -> Arguments:
    arguments = a_client(world, owner)
    world.insert(leads.leads_swot_analyses, owner, client_id=arguments["client_id"])
    return arguments


def is_pending(world: World, _arguments: Arguments, answer) -> None:
    assert world.row(leads.leads_searches, answer.json()["searchId"])["status"] == answer.json()["status"] == "pending"


ROUTES: list[Route] = [
    Route(method="GET", path="/api/leads/clients", arrange=a_client, keys=CLIENT, a_list=True),
    Route(
        method="POST",
        path="/api/leads/clients",
        body=SENT,
        keys=CLIENT,
        bad=(({}, 400), ({**SENT, "name": ""}, 400), ({**SENT, "businessType": "friend"}, 400)),
    ),
    Route(method="DELETE", path="/api/leads/clients/{client_id}", arrange=a_client, keys=keys("success"), others=404),
    Route(
        method="GET",
        path="/api/leads/clients/{client_id}/searches",
        arrange=a_search,
        keys=SEARCH,
        a_list=True,
        others=404,
    ),
    Route(
        method="POST",
        path="/api/leads/clients/{client_id}/search",
        arrange=a_client,
        body={"searchTypes": ["partner"], "verifyEmails": True},
        keys=keys("message searchId status"),
        also=is_pending,
        others=404,
        bad=(({"searchTypes": []}, 400), ({"searchTypes": ["lead"]}, 400)),
    ),
    Route(
        method="GET",
        path="/api/leads/clients/{client_id}/swot",
        arrange=an_analysis,
        keys=ANALYSIS,
        a_list=True,
        others=404,
    ),
    Route(method="POST", path="/api/leads/clients/{client_id}/swot", arrange=a_client, keys=ANALYSIS, others=404),
]

"""Leads and intelligence."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from db import awaited, intel
from db.base import leads
from db.base.accounts import UserRole
from db.leads import clients
from testkit import assert_enqueued
from tests.contract.route import NOBODY, Arguments, Route, World, keys

AWAITED: set[str] = set()
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
ASKED = {"businessType": "bakery", "businessName": "Crumbs", "geo": "Springfield", "actions": ["reviews", "partnerships"]}
TOLD = {"actionsCompleted": ["reviews"], "timestamp": "2026-11-25T12:00:00Z", "reviewsAnalysis": {"summary": "good"}}
SENT = {"name": "Bakery", "address": "1 Mill Lane", "keyword": "bread", "city": "Springfield", "id": 3}


def a_client(world: World, owner: str) -> Arguments:
    with world.database.tenant(owner) as session:
        made = {name: SENT[name] for name in ("name", "address", "keyword")}
        return {"client_id": clients.insert_client(session, made, user_id=owner)["id"]}


def a_search(world: World, owner: str) -> Arguments:
    arguments = a_client(world, owner)
    world.insert(leads.leads_searches, owner, client_id=arguments["client_id"])
    return arguments


def an_asked_search(world: World, owner: str) -> Arguments:
    """One that a workflow was asked for, by a job that has long ended."""
    client_id = a_client(world, owner)["client_id"]
    search_id = world.insert(leads.leads_searches, owner, client_id=client_id)
    late = {"client_id": client_id, "search_id": search_id, "late": True}
    with world.database.jobs() as session:
        question = awaited.Question("lead_search", str(search_id), "lead_search", late)
        awaited.expect(session, question, user_id=owner, job_id=uuid4(), step="collect", within=timedelta(hours=1))
    return {"search_id": search_id}


def is_taken(world: World, arguments: Arguments, answer) -> None:
    assert answer.json() == {"success": True, "search_id": arguments["search_id"]}
    with world.database.tenant(world.user(UserRole.SEARCH)) as session:
        assert_enqueued(session, "lead_search", args={"search_id": arguments["search_id"], "late": True}, count=1)


def an_analysis(world: World, owner: str) -> Arguments:
    arguments = a_client(world, owner)
    world.insert(leads.leads_swot_analyses, owner, client_id=arguments["client_id"])
    return arguments


def what_is_known(world: World, owner: str) -> Arguments:
    arguments = a_client(world, owner)
    found = {
        "reviews": {"summary": "good"},
        "competitors": {"summary": "two"},
        "partnerships": {"topPartners": [{"name": "B", "score": 9}, {"name": "A", "score": 3}]},
    }
    with world.database.tenant(owner) as session:
        for kind, analysis in found.items():
            how = {"model_used": "x", "said_at": datetime.now(UTC), "user_id": owner}
            intel.keep_intelligence(session, arguments["client_id"], intel.Kind(kind), analysis, **how)
    return arguments


def has_partners_in_order(_world: World, _arguments: Arguments, answer) -> None:
    assert [partner["name"] for partner in answer.json()["partners"]] == ["A", "B"]


def is_known(world: World, arguments: Arguments, answer) -> None:
    assert answer.json() == {"received": True}
    with world.database.tenant(world.user(UserRole.SEARCH)) as session:
        (row,) = intel.list_intelligence(session, arguments["client_id"])
    assert (row["kind"], row["analysis"]) == ("reviews", TOLD["reviewsAnalysis"])


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
        method="POST",
        path="/api/leads/webhook/results",
        who=NOBODY,
        is_signed=True,
        arrange=an_asked_search,
        body=lambda arguments: {"search_id": f"search-{arguments['search_id']}", "results": [{"title": "Crumbs"}]},
        keys=keys("success search_id"),
        also=is_taken,
        bad=(({}, 400), ({"search_id": "x"}, 400), ({"search_id": 1, "results": {}}, 400), (b"no json", 400)),
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
    Route(
        method="POST",
        path="/api/intel/analyze",
        arrange=a_client,
        body=lambda arguments: {**ASKED, "clientBusinessId": arguments["client_id"]},
        keys=keys("status message jobId"),
        others=404,
        bad=(({}, 400), ({**ASKED, "clientBusinessId": 1, "actions": []}, 400), ({**ASKED, "actions": ["weather"]}, 400)),
    ),
    Route(
        method="POST",
        path="/api/intel/callback",
        who=NOBODY,
        is_signed=True,
        arrange=a_client,
        body=lambda arguments: {**TOLD, "clientBusinessId": arguments["client_id"]},
        keys=keys("received"),
        also=is_known,
        bad=(({}, 400), ({**TOLD, "clientBusinessId": 1, "timestamp": "soon"}, 400), (b"no json", 400)),
    ),
    Route(
        method="GET",
        path="/api/intel/results/{client_id}",
        arrange=what_is_known,
        keys=keys("reviews competitors partners"),
        also=has_partners_in_order,
        others=404,
    ),
]

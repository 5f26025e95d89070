"""/api/intel: what is found out about a client's market, by a job of ours or by an external workflow."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api_stub.auth import Asker, DatabaseHere, in_area
from api_stub.callbacks import Signed
from api_stub.contract import Id, Sent, Shown
from db import intel
from db.intel import Kind
from db.leads import clients
from db.permissions import Area
from pipelines.base import enqueue

router = APIRouter(prefix="/api/intel", tags=["intelligence"])
_Asker = Annotated[Asker, Depends(in_area(Area.LEADS))]
_Words = Annotated[str, Field(min_length=1, max_length=500)]
_AHEAD = timedelta(minutes=5)
_Client = Annotated[int, Field(ge=1, lt=2**31)]


class NewAnalysis(Sent):
    """What to look at, and how the business calls itself."""

    client_business_id: _Client
    business_type: _Words
    business_name: _Words
    geo: _Words
    actions: Annotated[list[Kind], Field(min_length=1, max_length=3)]
    place_id: Annotated[str | None, Field(max_length=500)] = None
    competitors: Annotated[list[_Words], Field(max_length=50)] = []  # noqa: RUF012  (pydantic copies it)


class Begun(Shown):
    """The job that was begun."""

    status: str
    message: str
    job_id: str


class Told(Sent):
    """What an external workflow found out."""

    client_business_id: _Client
    actions_completed: Annotated[list[Kind], Field(max_length=3)]
    timestamp: datetime
    reviews_analysis: dict[str, Any] | None = None
    competitor_analysis: dict[str, Any] | None = None
    partnership_analysis: dict[str, Any] | None = None


class Received(Shown):
    """It came."""

    received: bool = True


@router.post("/analyze")
def post_intel_analysis(new: NewAnalysis, asker: _Asker, database: DatabaseHere) -> Begun:
    """Look at a client's market now; `GET /api/intel/results/…` has what was found out, kind by kind."""
    args = {**new.model_dump(exclude={"client_business_id"}), "client_id": new.client_business_id}
    args["actions"] = list(dict.fromkeys(new.actions))
    with database.tenant(asker.id) as session:
        clients.get_client(session, new.client_business_id)
        job_id = enqueue(session, "lead_intel", args, owner_id=asker.id, subject=clients.subject(new.client_business_id))
    return Begun(status="processing", message="The analysis has been started.", job_id=str(job_id))


@router.post("/callback")
def post_intel_callback(told: Told, _message_id: Signed, database: DatabaseHere) -> Received:
    """What an external workflow found out about a client; what is older than what is known, or about nobody, changes nothing."""
    said_at = told.timestamp if told.timestamp.tzinfo else told.timestamp.replace(tzinfo=UTC)
    said_at = min(said_at, datetime.now(UTC) + _AHEAD)  # a clock that runs ahead must not shut out everything that follows
    found = {
        Kind.REVIEWS: told.reviews_analysis,
        Kind.COMPETITORS: told.competitor_analysis,
        Kind.PARTNERSHIPS: told.partnership_analysis,
    }
    with database.jobs() as session:
        owner = intel.find_owner(session, told.client_business_id)
    if owner is not None:
        with database.tenant(owner) as session:
            for kind in told.actions_completed:
                if (analysis := found[kind]) is not None:
                    intel.keep_intelligence(
                        session,
                        told.client_business_id,
                        kind,
                        analysis,
                        model_used="external workflow",
                        said_at=said_at,
                        user_id=owner,
                    )
    return Received()


@router.get("/results/{client_id}")
def get_intel_results(
    client_id: Id,
    asker: _Asker,
    database: DatabaseHere,
    wanted: Annotated[Literal["reviews", "competitors", "partnerships", "all"], Query(alias="type")] = "all",
) -> dict[str, Any]:
    """What is known: `reviews`, `competitors`, and `partners` by their score, the lowest first."""
    with database.tenant(asker.id) as session:
        rows = intel.list_intelligence(session, client_id)
    return {
        "partners" if row["kind"] == Kind.PARTNERSHIPS else row["kind"]: _shown(row["kind"], row["analysis"])
        for row in rows
        if wanted in {"all", row["kind"]}
    }


def _shown(kind: str, analysis: dict[str, Any]) -> object:
    if kind != Kind.PARTNERSHIPS:
        return analysis
    partners = analysis.get("topPartners")
    return sorted((one for one in partners if isinstance(one, dict)), key=_score) if isinstance(partners, list) else []


def _score(partner: dict[str, Any]) -> float:
    score = partner.get("score", partner.get("partnershipScore"))
    return float(score) if isinstance(score, int | float) else 0.0

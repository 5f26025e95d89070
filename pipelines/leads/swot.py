"""What the leads of a client say of its market: strengths, weaknesses, opportunities and threats, each resting on leads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

from pydantic import Field

from db.base.leads import LeadStatus, LeadType

INSTRUCTIONS = (
    "You analyse the local market of a small business for its owner. The evidence tells the client, counts over all its leads, and "
    "leads that searches found near it: competitors, partners, ideal customers. Write a SWOT analysis of the client in this market: "
    "at most six short points in each list, and a summary of two sentences. Every point names in `leads` the ids of the leads it "
    "rests on, or none where it rests on the counts. Say nothing that the evidence does not tell; leave a list empty rather than guess."
)
MOST_LEADS = 120  # that are put before a model, the most promising of each kind
_MOST_POINTS = 6
_MOST_NAMED = 5
_POOR, _GOOD = 3.8, 4.5  # of five stars
_FEW_REVIEWS = 20
_CROWDED = 8
_LONGEST = 300
READ = ("id", "title", "business_type", "rating", "review_count", "website", "city", "industry", "partnership_score", "status")


@dataclass(frozen=True, slots=True)
class Point:
    """A sentence, the leads that it rests on, and how sure it is."""

    text: str
    leads: list[int]
    confidence: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Swot:
    """Of the client, as its leads tell."""

    strengths: list[Point]
    weaknesses: list[Point]
    opportunities: list[Point]
    threats: list[Point]
    summary: str


LISTS = ("strengths", "weaknesses", "opportunities", "threats")
Lead = Mapping[str, Any]


def as_evidence(client: Mapping[str, Any], leads: Sequence[Lead]) -> dict[str, Any]:
    """What a model is shown: no contact data, which it does not need."""
    told = {name: client[name] for name in ("name", "keyword", "city", "state", "business_type")}
    shown = sorted(leads, key=lambda lead: -(lead["partnership_score"] or 0))
    each = MOST_LEADS // len(LeadType)
    chosen = [lead for kind in LeadType for lead in of_type(shown, kind)[:each]]
    counts = {kind.value: len(of_type(leads, kind)) for kind in LeadType}
    return {"client": told, "counts": counts, "leads": [{name: lead[name] for name in READ} for lead in chosen]}


def as_columns(made: Swot, leads: Sequence[Lead]) -> dict[str, Any]:
    """The four lists as they are kept; leads that are not there are named by nobody."""
    return {name: kept_points(getattr(made, name), leads) for name in LISTS} | {"summary": _clean(made.summary)[: 4 * _LONGEST]}


def kept_points(points: Sequence[Point], leads: Sequence[Lead]) -> list[dict[str, Any]]:
    """The first points with what they rest on."""
    titles = {lead["id"]: lead["title"] for lead in leads}
    return [_kept(point, titles) for point in points[:_MOST_POINTS]]


def _kept(point: Point, titles: Mapping[int, str]) -> dict[str, Any]:
    named = [lead for lead in dict.fromkeys(point.leads) if lead in titles][:_MOST_NAMED]
    return {
        "text": _clean(point.text)[:_LONGEST],
        "source": ", ".join(titles[lead] for lead in named)
        or ("leads that are not there" if point.leads else "counts over all leads"),
        "leadIds": named,
        "confidence": round(point.confidence, 2) if named or not point.leads else 0.0,
    }


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()


def by_rules(client: Mapping[str, Any], leads: Sequence[Lead]) -> Swot:
    """What counting tells, and no more."""
    rivals, partners = of_type(leads, LeadType.COMPETITOR), of_type(leads, LeadType.PARTNER)
    customers = of_type(leads, LeadType.IDEAL_CUSTOMER)
    points: dict[str, list[Point]] = {name: [] for name in LISTS}
    _tell_rivals(points, rivals)
    if partners:
        best = sorted(partners, key=lambda lead: -(lead["partnership_score"] or 0))
        words = f"{many(len(partners), 'business')} nearby could send customers; the most promising: {best[0]['title']}."
        points["opportunities"].append(_point(words, best))
    if customers:
        points["opportunities"].append(_point(f"{many(len(customers), 'likely customer')} nearby.", customers))
    won = [lead for lead in leads if lead["status"] == LeadStatus.CONVERTED]
    if won:
        points["strengths"].append(_point(f"{many(len(won), 'lead')} became customers or partners already.", won))
    new = [lead for lead in [*partners, *customers] if lead["status"] == LeadStatus.NEW]
    if new:
        verb = "has" if len(new) == 1 else "have"
        points["weaknesses"].append(
            _point(f"{many(len(new), 'partner or customer', 'partners and customers')} {verb} not been contacted.", new)
        )
    summary = (
        f"Counted by rules over {many(len(leads), 'lead')} of {client['name']}, without a language model: {len(rivals)} competing, "
        f"{len(partners)} possible partners, {len(customers)} likely customers."
    )
    return Swot(**points, summary=summary)


def _tell_rivals(points: dict[str, list[Point]], rivals: Sequence[Lead]) -> None:
    rated = {lead["id"]: rating for lead in rivals if (rating := rating_of(lead)) is not None}
    poor = [lead for lead in rivals if rated.get(lead["id"], _GOOD) < _POOR]
    strong = [lead for lead in rivals if rated.get(lead["id"], 0) >= _GOOD and (lead["review_count"] or 0) > _FEW_REVIEWS]
    silent = [lead for lead in rivals if not lead["website"]]
    if poor:
        points["opportunities"].append(
            _point(f"{many(len(poor), 'competitor')} rated under {_POOR}: their customers look for better.", poor)
        )
    if silent:
        points["opportunities"].append(_point(f"{many(len(silent), 'competitor')} with no website that is known.", silent))
    if strong:
        points["threats"].append(_point(f"{many(len(strong), 'competitor')} rated {_GOOD} or better by many.", strong))
    if len(rivals) >= _CROWDED:
        middle = f", rated {median(rated.values()):.1f} in the middle" if rated else ""
        points["threats"].append(_point(f"A crowded market: {len(rivals)} businesses offer the same{middle}.", rivals))


def _point(text: str, leads: Sequence[Lead]) -> Point:
    return Point(text, [lead["id"] for lead in leads[:_MOST_NAMED]], 1.0)


def of_type(leads: Sequence[Lead], kind: LeadType) -> list[Lead]:
    """Those of one type."""
    return [lead for lead in leads if lead["business_type"] == kind]


def rating_of(lead: Lead) -> float | None:
    """Of five stars."""
    try:
        return float(lead["rating"])
    except (TypeError, ValueError):  # a column of text, which people edit
        return None


def many(number: int, one: str, more: str | None = None) -> str:
    """So many of them, in words."""
    plural = more or (f"{one}es" if one.endswith("s") else f"{one}s")
    return f"{number} {one if number == 1 else plural}"

"""What the leads of a client say of how others are rated, of its competitors and of who could send it customers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from db.base.leads import LeadType
from db.intel import Kind
from pipelines.leads.swot import Lead, Point, as_evidence, kept_points, many, of_type, rating_of

_EVIDENCE = (
    "You study the local market of a small business for its owner. The evidence tells the business, counts over all leads of it, and "
    "leads that searches found near it. Say nothing that the evidence does not tell, and leave a list empty rather than guess. "
)
_POINTS = "Give at most six short points, each naming in `leads` the ids it rests on or none where it rests on counts, and a summary. "
INSTRUCTIONS = {
    Kind.REVIEWS: f"{_EVIDENCE}Compare how businesses are rated, and by how many; there are no texts of reviews. {_POINTS}",
    Kind.COMPETITORS: f"{_EVIDENCE}Say who competes, how strong they are, and where they leave room. {_POINTS}",
    Kind.PARTNERSHIPS: (
        f"{_EVIDENCE}Choose at most ten leads that could send this business customers. For each: its id in `lead`, a `score` from 0 to "
        "100, the `reason`, and an `approach`: the first sentence to say to them. And a summary."
    ),
}
_MOST_PARTNERS, _MOST_RIVALS, _LONGEST = 10, 20, 500


@dataclass(frozen=True, slots=True)
class Findings:
    """Points, and what they come to."""

    points: list[Point]
    summary: str


@dataclass(frozen=True, slots=True)
class Partner:
    """A lead that could send customers."""

    lead: int
    score: int
    reason: str
    approach: str


@dataclass(frozen=True, slots=True)
class Partners:
    """The most promising, and what they come to."""

    partners: list[Partner]
    summary: str


SHAPES: Mapping[Kind, type[Any]] = {Kind.REVIEWS: Findings, Kind.COMPETITORS: Findings, Kind.PARTNERSHIPS: Partners}


def tell_evidence(client: Lead, leads: Sequence[Lead], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a model is shown: no contact data. Competitors that were named and are no lead are told as such."""
    titles = {str(lead["title"]).casefold() for lead in leads}
    unknown = [name for name in asked["competitors"] if name.casefold() not in titles]
    told = {"business_name": asked["business_name"], "business_type": asked["business_type"], "geo": asked["geo"]}
    return {**as_evidence(client, leads), "business": told, "named_and_not_found": unknown}


def as_analysis(kind: Kind, made: Findings | Partners, leads: Sequence[Lead]) -> dict[str, Any]:
    """What is kept; leads that are not there are named by nobody."""
    by_id = {lead["id"]: lead for lead in leads}
    summary = {"summary": made.summary.replace("\0", "").strip()[: 4 * _LONGEST]}
    if isinstance(made, Partners):
        chosen = {partner.lead: partner for partner in made.partners if partner.lead in by_id}
        told = [_tell_partner(partner, by_id[lead]) for lead, partner in chosen.items()]
        return {**summary, "topPartners": sorted(told, key=lambda one: one["score"])[-_MOST_PARTNERS:]}
    rivals = sorted(of_type(leads, LeadType.COMPETITOR), key=lambda lead: -(lead["review_count"] or 0))[:_MOST_RIVALS]
    listed = {"competitors": [_tell_rival(lead) for lead in rivals]} if kind is Kind.COMPETITORS else {}
    return {**summary, "points": kept_points(made.points, leads), **listed}


def _tell_partner(partner: Partner, lead: Lead) -> dict[str, Any]:
    return {
        "leadId": partner.lead,
        "name": lead["title"],
        "score": max(0, min(100, partner.score)),
        "reason": partner.reason.replace("\0", "")[:_LONGEST],
        "approach": partner.approach.replace("\0", "")[:_LONGEST],
    }


def _tell_rival(lead: Lead) -> dict[str, Any]:
    return {
        "leadId": lead["id"],
        "name": lead["title"],
        "rating": rating_of(lead),
        "reviewCount": lead["review_count"],
        "website": lead["website"],
    }


def _reviews(leads: Sequence[Lead]) -> Findings:
    rated = [(rating, lead) for lead in leads if (rating := rating_of(lead)) is not None]
    points = []
    if rated:
        middle = median(rating for rating, _ in rated)
        points.append(Point(f"{many(len(rated), 'business')} nearby rated, {middle:.1f} in the middle.", [], 1.0))
        best, worst = max(rated, key=lambda one: one[0]), min(rated, key=lambda one: one[0])
        points.append(Point(f"The best: {best[1]['title']}, rated {best[0]:g}.", [best[1]["id"]], 1.0))
        points.append(Point(f"The worst: {worst[1]['title']}, rated {worst[0]:g}.", [worst[1]["id"]], 1.0))
    return Findings(points, f"Counted by rules over {many(len(leads), 'lead')}, without a language model; no review was read.")


def _rivals(leads: Sequence[Lead]) -> Findings:
    rivals = of_type(leads, LeadType.COMPETITOR)
    silent = [lead for lead in rivals if not lead["website"]]
    points = [Point(f"{many(len(rivals), 'business')} nearby offer the same.", [], 1.0)] if rivals else []
    if silent:
        points.append(Point(f"{many(len(silent), 'competitor')} with no website that is known.", _ids(silent), 1.0))
    return Findings(points, f"Counted by rules over {many(len(rivals), 'competitor')}, without a language model.")


def _partners(leads: Sequence[Lead]) -> Partners:
    best = sorted(of_type(leads, LeadType.PARTNER), key=lambda lead: -(lead["partnership_score"] or 0))[:_MOST_PARTNERS]
    told = [
        Partner(lead["id"], lead["partnership_score"] or 0, f"{lead['industry'] or 'A business'} nearby, scored by rules.", "")
        for lead in best
    ]
    return Partners(told, f"Scored by rules over {many(len(leads), 'lead')}, without a language model.")


_RULES: Mapping[Kind, Callable[[Sequence[Lead]], Findings | Partners]] = {
    Kind.REVIEWS: _reviews,
    Kind.COMPETITORS: _rivals,
    Kind.PARTNERSHIPS: _partners,
}


def by_rules(kind: Kind, leads: Sequence[Lead]) -> Findings | Partners:
    """What counting tells, and no more."""
    return _RULES[kind](leads)


def _ids(leads: Sequence[Lead]) -> list[int]:
    return [lead["id"] for lead in leads[:5]]

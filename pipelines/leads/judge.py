"""What a listing may become for a client, and how promising a partner it is: rules, each with its reason."""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from db.base.leads import LeadType, PartnerCategory, PotentialValue
from pipelines.leads.listing import Listing

_TRADES = Path(__file__).with_name("trades.toml")
_REVIEWS_OF_THE_KNOWN = 300
_VALUES = ((75, PotentialValue.VERY_HIGH), (55, PotentialValue.HIGH), (35, PotentialValue.MEDIUM), (0, PotentialValue.LOW))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a listing is to a client, in a lead's columns."""

    business_type: LeadType
    columns: dict[str, Any]


@cache
def _trades() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_TRADES.read_text())


def get_trade(keyword: str) -> dict[str, Any]:
    """What is known of the trade that a keyword names; of one that is not known, what holds for most."""
    words = set(keyword.lower().split())
    named = (trade for trade in _trades().values() if words & set(trade["words"]))
    return next(named, _trades()["other"])


def list_queries(keyword: str, wanted: Sequence[LeadType]) -> list[str]:
    """What to search for, so that these types are found."""
    trade = get_trade(keyword)
    asked: list[str] = []
    if LeadType.COMPETITOR in wanted:
        asked.append(keyword)
    if LeadType.PARTNER in wanted:
        asked += trade["partners"]
    if LeadType.IDEAL_CUSTOMER in wanted:
        asked += trade["customers"]
    return list(dict.fromkeys(asked))


def judge(listing: Listing, keyword: str) -> Judgement:
    """What this listing is to who offers `keyword`. What is not known lowers the confidence, not the score."""
    trade = get_trade(keyword)
    kinds = " ".join((*listing.kinds, "" if listing.kinds else listing.title)).lower().replace("_", " ")
    trigger = next((words for kind, words in trade["partners"].items() if kind in kinds), None)
    if set(kinds.split()) & {*trade["words"], *keyword.lower().split()}:
        kind = LeadType.COMPETITOR
    elif trigger is not None:
        kind = LeadType.PARTNER
    elif any(word in kinds for word in trade["customers"]):
        kind = LeadType.IDEAL_CUSTOMER
    else:
        kind = LeadType.LEAD
    columns = {"industry": listing.kinds[0].replace("_", " ") if listing.kinds else None, **_score(listing, kind)}
    if trigger is not None and kind is LeadType.PARTNER:
        columns |= {"category": PartnerCategory.PRIMARY.value, "referral_trigger": trigger}
    return Judgement(kind, columns)


def _score(listing: Listing, kind: LeadType) -> dict[str, Any]:
    referral = {LeadType.PARTNER: 40, LeadType.IDEAL_CUSTOMER: 30, LeadType.LEAD: 15, LeadType.COMPETITOR: 5}[kind]
    reviews = listing.review_count or 0
    reputation = 17 if listing.rating is None else round(35 * max(0.0, min(1.0, (listing.rating - 2.5) / 2.5)))
    presence = round(15 * min(1.0, math.log1p(reviews) / math.log1p(_REVIEWS_OF_THE_KNOWN)))
    presence += 6 * bool(listing.website) + 4 * bool(listing.phone)
    known = [name for name in ("rating", "review_count", "website", "phone", "address") if getattr(listing, name) is not None]
    reasons = [f"{kind.value.replace('_', ' ')}: {referral} of 40"]
    reasons.append(
        "no rating is known: counted as middling" if listing.rating is None else f"rated {listing.rating}: {reputation} of 35"
    )
    reasons.append(f"{reviews} reviews, {'a' if listing.website else 'no'} site: {presence} of 25")
    score = referral + reputation + presence
    factors = {"referralPotential": referral, "reputationMatch": reputation, "establishedPresence": presence}
    return {
        "partnership_score": score,
        "partnership_factors": {**factors, "confidence": len(known) / 5, "reasons": reasons},
        "potential_value": next(value.value for least, value in _VALUES if score >= least),
    }

"""Results as an external workflow tells them, in snake or camel case, read as listings; what is no value of ours is passed over."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from db.base.leads import EmailStatus, LeadType, PartnerCategory, PotentialValue
from pipelines.leads.listing import Listing

MOST = 2000
_LONGEST = 2000
_TYPES = {
    "ideal customer": LeadType.IDEAL_CUSTOMER,
    "lead": LeadType.IDEAL_CUSTOMER,
    "user": LeadType.IDEAL_CUSTOMER,
    "competitor": LeadType.COMPETITOR,
    "partner": LeadType.PARTNER,
    "partnering prospect": LeadType.PARTNER,
}
_WORDS: Mapping[str, type[StrEnum]] = {
    "email_status": EmailStatus,
    "category": PartnerCategory,
    "potential_value": PotentialValue,
}
_SAID = ("industry", "referral_trigger", "partnership_model", "approach_script")
_BESIDES = ("owner_name", "domain", "confidence", "gps_coordinates")


def read_results(results: Sequence[object]) -> list[Listing]:
    """Those that name a business, at most MOST of them."""
    found = (_read(result) for result in results if isinstance(result, Mapping))
    return [listing for listing in found if listing is not None][:MOST]


def _read(result: Mapping[str, Any]) -> Listing | None:
    told = {_snake(str(name)): value for name, value in result.items()}
    title = _text(told.get("title")) or _text(told.get("name"))
    if title is None:
        return None
    rating, reviews = _number(told.get("rating")), _number(told.get("reviews", told.get("review_count")))
    return Listing(
        title=title,
        place_id=_text(told.get("place_id")),
        address=_text(told.get("address")),
        city=_text(told.get("city")),
        state=_text(told.get("state")),
        zip=_text(told.get("zip")),
        phone=_text(told.get("phone")),
        website=_text(told.get("website")),
        email=_text(told.get("email")),
        rating=rating,
        review_count=None if reviews is None else min(int(reviews), 2**31 - 1),
        kinds=(industry,) if (industry := _text(told.get("industry"))) else (),
        said=_said(told),
        besides={name: told[name] for name in _BESIDES if isinstance(told.get(name), str | int | float | dict)},
    )


def _said(told: Mapping[str, Any]) -> dict[str, object]:
    """What it has decided itself, by the columns of a lead."""
    said: dict[str, object] = {name: text for name in _SAID if (text := _text(told.get(name)))}
    said |= {name: told[name] for name, words in _WORDS.items() if told.get(name) in set(words)}
    kind = _text(told.get("business_type"))
    if kind is not None:
        said["business_type"] = _TYPES.get(kind.lower().replace("_", " "), LeadType.LEAD).value
    score = _number(told.get("partnership_score"))
    if score is not None:
        said["partnership_score"] = min(100, round(score))
    if isinstance(told.get("partnership_factors"), dict):
        said["partnership_factors"] = told["partnership_factors"]
    return said


def _snake(name: str) -> str:
    return "".join(f"_{mark.lower()}" if mark.isupper() else mark for mark in name).lstrip("_")


def _text(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # zip codes
    text = value.replace("\0", "").strip()[:_LONGEST] if isinstance(value, str) else ""
    return text or None


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None

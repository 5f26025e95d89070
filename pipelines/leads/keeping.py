"""What a search found becomes leads: each business one, whatever it was called this time, and never what a person has set undone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db.leads import found
from db.leads.clients import lock_client
from pipelines.leads.judge import judge
from pipelines.leads.listing import Listing
from pipelines.leads.normalise import make_card
from pipelines.leads.recognise import Known

_COLUMNS = (*found.RECOGNISED_BY, "email", "review_count")
_MOST_ALIASES = 8


def keep(session: Session, search: RowMapping, listings: Iterable[Listing], *, provider: str) -> list[dict[str, Any]]:
    """Write leads, one for each business, and return the results of the search: each with its lead, and whether it is new.

    One search of a client at a time is kept; in the caller's transaction, as its owner.
    """
    client = lock_client(session, search["client_id"])
    known, aliases, apart = _remember(found.list_known(session, client["id"]))
    results: dict[int, dict[str, Any]] = {}
    for listing in listings:
        if listing.closed or not listing.title.strip():
            continue
        card = make_card(listing)
        match = known.find(card)
        judgement = judge(listing, search["keyword"])
        values = {name: value for name in _COLUMNS if (value := getattr(listing, name)) is not None}
        values |= {
            "rating": None if listing.rating is None else str(listing.rating),
            "business_type": judgement.business_type.value,
        }
        values |= {**judgement.columns, **listing.said}
        if match is None:
            values["raw_data"] = {"provider": provider, "first_search_id": search["id"], "aliases": [_alias(listing)]}
            values["position"] = len(results) + 1
            lead_id = found.insert_found(session, client, values, search_id=search["id"])
            changed, reasons, doubts = [], ["not seen before"], []
        else:
            lead_id, reasons = match.lead, list(match.reasons)
            doubts = [other for other in match.could_be if other not in apart[lead_id]]
            before = aliases.get(lead_id, [])
            told = _alias(listing)
            names = before if told in before else [*before, told][-_MOST_ALIASES:]
            del values["title"]  # the first stays, or it would change with every source
            values.pop("place_id", None)
            changed = found.update_found(session, lead_id, values, search_id=search["id"], aliases=names, could_be=doubts)
            aliases[lead_id] = names
        aliases.setdefault(lead_id, [_alias(listing)])
        known.add(lead_id, card)
        if lead_id not in results:
            results[lead_id] = {
                **_shown(listing, values),
                "position": len(results) + 1,
                "leadId": lead_id,
                "isNew": match is None,
                "changed": changed,
                "reasons": reasons,
                "couldBe": [],
            }
        could_be = results[lead_id]["couldBe"]
        could_be += [other for other in doubts if other not in could_be]
    return list(results.values())


def _shown(listing: Listing, values: dict[str, Any]) -> dict[str, Any]:
    """A result as clients read it, in camel case."""
    told = {name: getattr(listing, name) for name in (*found.RECOGNISED_BY, "email", "rating")}
    said = {name: values[name] for name in ("business_type", "partnership_score", *listing.said)}
    return {to_camel(name): value for name, value in (told | said | listing.besides).items()} | {
        "reviews": listing.review_count
    }


def _remember(rows: Sequence[RowMapping]) -> tuple[Known, dict[int, list[dict[str, Any]]], dict[int, frozenset[int]]]:
    """The leads that are there, by what they were told of as, and for each those that a person told it apart from."""
    known: Known = Known()
    aliases: dict[int, list[dict[str, Any]]] = {}
    apart: dict[int, frozenset[int]] = defaultdict(frozenset)
    for row in rows:
        raw = found.read_raw(row)
        held = aliases[row["id"]] = list(raw.get("aliases", ()))
        apart[row["id"]] = frozenset(raw.get("apart", ()))
        for told in [*held, {name: row[name] for name in found.RECOGNISED_BY if row[name] is not None}]:
            known.add(row["id"], make_card(Listing(**{**told, "title": told.get("title") or row["title"]})))
    return known, aliases, apart


def _alias(listing: Listing) -> dict[str, Any]:
    """How the business was told of: it is recognised by this even where a person has changed the lead."""
    return {name: value for name in found.RECOGNISED_BY if (value := getattr(listing, name)) is not None}

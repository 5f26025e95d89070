"""Leads that could be one business: a person says whether they are, and is not asked again."""

from typing import Any

from sqlalchemy import RowMapping, or_, select
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.leads import EmailStatus, LeadStatus, business_leads
from db.base.rows import delete_row, update_row
from db.leads.clients import lock_client
from db.leads.found import EDITABLE, OF_PEOPLE, RECOGNISED_BY, get_lead, read_raw


def list_doubts(session: Session, lead_id: int) -> list[RowMapping]:
    """The leads of its client that this one could be, or that could be this one. Raises NotFound."""
    lead, columns = get_lead(session, lead_id), business_leads.c
    named = or_(columns.id.in_(read_raw(lead).get("could_be", ())), columns.raw_data["could_be"].contains([lead_id]))
    statement = select(business_leads).where(columns.client_id == lead["client_id"], named).order_by("id")
    return list(session.execute(statement).mappings())


def tell_apart(session: Session, lead_id: int, other_id: int) -> None:
    """They are two: neither is named as what the other could be any more. Raises NotFound, Forbidden, Invalid."""
    one, other = _lock_pair(session, lead_id, other_id)
    for lead, its_other in ((one, other_id), (other, lead_id)):
        raw = read_raw(lead)
        doubts = [doubt for doubt in raw.get("could_be", ()) if doubt != its_other]
        apart = sorted({*raw.get("apart", ()), its_other})
        update_row(session, business_leads, lead["id"], {"raw_data": {**raw, "could_be": doubts, "apart": apart}})


def merge(session: Session, lead_id: int, other_id: int) -> None:
    """They are one: the other goes, and what only it told, or people have set of it, is this one's now.

    Where people have set the same of both, this one's stays; the notes of both stay. It is found under the names of both. Raises
    NotFound, Forbidden, Invalid.
    """
    lead, other = _lock_pair(session, lead_id, other_id)
    doubts = {row["id"] for each in (lead_id, other_id) for row in list_doubts(session, each)} - {lead_id, other_id}
    delete_row(session, business_leads, other_id)  # first: of a place a client has one lead
    update_row(session, business_leads, lead_id, {**_columns_of(lead, other), "raw_data": _raw_of(lead, other, doubts)})


def _lock_pair(session: Session, lead_id: int, other_id: int) -> tuple[RowMapping, RowMapping]:
    client_id = get_lead(session, lead_id)["client_id"]
    if lead_id == other_id or client_id is None or get_lead(session, other_id)["client_id"] != client_id:
        raise Invalid(f"leads {lead_id} and {other_id} are not two leads of one client")
    lock_client(session, client_id)  # as a search does that is kept
    return get_lead(session, lead_id), get_lead(session, other_id)


def _columns_of(lead: RowMapping, other: RowMapping) -> dict[str, Any]:
    own, edited = set(lead["edited_fields"]), set(other["edited_fields"])
    taken = {name for name in EDITABLE - OF_PEOPLE - own if name in edited or lead[name] in (None, EmailStatus.UNKNOWN)}
    notes = [note for note in dict.fromkeys((lead["notes"], other["notes"])) if note]
    return {
        **{name: other[name] for name in taken},
        "place_id": lead["place_id"] or other["place_id"],
        "notes": "\n\n".join(notes) or None,
        "status": other["status"] if lead["status"] == LeadStatus.NEW else lead["status"],
        "edited_fields": sorted(own | edited),
    }


def _raw_of(lead: RowMapping, other: RowMapping, doubts: set[int]) -> dict[str, Any]:
    raw, others = read_raw(lead), read_raw(other)
    told = {name: other[name] for name in RECOGNISED_BY if other[name] is not None}
    aliases = [*others.get("aliases", ()), told, *raw.get("aliases", ())]
    apart = {*raw.get("apart", ()), *others.get("apart", ())}
    return {**others, **raw, "aliases": aliases, "could_be": sorted(doubts - apart), "apart": sorted(apart)}

"""What searches found. A search never overwrites what a person has set, and a person never loses what a search had found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, RowMapping, Text, any_, case, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.columns import come_from
from db.base.leads import LEAD_MOVES, EmailStatus, LeadStatus, LeadType, PartnerCategory, business_leads
from db.base.rows import get_row, insert_row, list_rows, require_only, update_row
from db.leads.clients import get_client

_KEPT_BY_US = {"id", "user_id", "company_id", "client_id", "search_id", "place_id", "edited_fields", "created_at", "updated_at"}
OF_PEOPLE = frozenset({"status", "notes"})  # no search sets these
EDITABLE = frozenset(column.name for column in business_leads.columns) - _KEPT_BY_US - {"raw_data", "position"}
RECOGNISED_BY = ("title", "place_id", "address", "city", "state", "zip", "phone", "website")
FOUND = frozenset(column.name for column in business_leads.columns) - _KEPT_BY_US - OF_PEOPLE


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads: each that is given must hold."""

    status: LeadStatus | None = None
    business_type: LeadType | None = None
    email_status: EmailStatus | None = None
    category: PartnerCategory | None = None
    search_id: int | None = None
    least_score: int | None = None
    words: str | None = None  # in the title, address, city or industry

    def conditions(self) -> list[ColumnElement[bool]]:
        """What the filter means."""
        columns = business_leads.c
        given = [
            columns[name] == value
            for name in ("status", "business_type", "email_status", "category", "search_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.least_score is not None:
            given.append(columns.partnership_score >= self.least_score)
        if self.words:
            looked_in = (columns.title, columns.address, columns.city, columns.industry)
            given.append(or_(*(column.icontains(self.words, autoescape=True) for column in looked_in)))
        return given


def get_lead(session: Session, lead_id: int) -> RowMapping:
    """One lead. Raises NotFound."""
    return get_row(session, business_leads, lead_id)


def list_leads(
    session: Session, client_id: int, *, only: LeadFilter | None = None, before: int | None = None, limit: int = 50
) -> list[RowMapping]:
    """Of one client, newest first; the next page begins `before` the last id of this one."""
    of_client = business_leads.c.client_id == client_id
    return list_rows(session, business_leads, of_client, *(only or LeadFilter()).conditions(), before=before, limit=limit)


def list_by_ids(session: Session, lead_ids: Sequence[int]) -> list[RowMapping]:
    """Those of them that are there, in the order of their ids."""
    statement = select(business_leads).where(business_leads.c.id.in_(lead_ids)).order_by("id")
    return list(session.execute(statement).mappings())


def update_lead(session: Session, lead_id: int, values: Mapping[str, Any]) -> RowMapping:
    """Set these columns as a person; searches leave them alone from now on. Raises NotFound, Refused, Invalid."""
    require_only(values, EDITABLE)
    if values.get("status", LeadStatus.NEW) not in set(LeadStatus):
        raise Invalid(f"status must be one of {', '.join(LeadStatus)}")
    named = cast([name for name in values if name not in OF_PEOPLE], ARRAY(Text))
    every = select(func.unnest(business_leads.c.edited_fields.concat(named))).distinct().correlate(business_leads)
    status = values.get("status")
    allowed = None if status is None else business_leads.c.status.in_(come_from(LEAD_MOVES, LeadStatus(status)))
    changed = {**values, "edited_fields": func.array(every.scalar_subquery())}
    return update_row(session, business_leads, lead_id, changed, only_if=allowed)


def keep_found(
    session: Session, client_id: int, leads: Sequence[Mapping[str, Any]], *, user_id: str, search_id: int | None = None
) -> list[int]:
    """Write what a search found, and return the ids in that order; repeating it changes nothing.

    A place that the client has already is brought up to date: what is newly known replaces what a search knew, never what a person
    set, and what is not known this time stays. Without a `place_id` a lead is always new. Raises NotFound, Invalid.
    """
    company_id = get_client(session, client_id)["company_id"]
    whose = {"user_id": user_id, "company_id": company_id, "client_id": client_id, "search_id": search_id}
    kept = []
    for lead in leads:
        require_only(lead, FOUND | {"place_id"})
        if not lead.get("title"):
            raise Invalid(f"a lead needs a title: {sorted(lead)}")
        kept.append(_upsert(session, {**whose, **lead}))
    return kept


def _upsert(session: Session, values: Mapping[str, Any]) -> int:
    statement = insert(business_leads).values(dict(values))
    held, new = business_leads.c, statement.excluded
    newer: dict[str, ColumnElement[Any]] = {
        name: case((literal(name) == any_(held.edited_fields), held[name]), else_=func.coalesce(new[name], held[name]))
        for name in values
        if name in FOUND
    }
    newer["search_id"] = func.coalesce(new.search_id, held.search_id)
    differs = or_(*(held[name].is_distinct_from(value) for name, value in newer.items()))
    same_place = [held.client_id, held.place_id]
    upsert = statement.on_conflict_do_update(index_elements=same_place, set_=newer, where=differs).returning(held.id)
    there = select(held.id).where(held.client_id == values["client_id"], held.place_id == values.get("place_id"))
    lead_id = session.scalar(upsert) or session.scalar(there)  # nothing is returned where nothing differed
    return int(lead_id or 0)


def list_known(
    session: Session, client_id: int, *, columns: Sequence[str] = ("id", *RECOGNISED_BY, "raw_data")
) -> list[RowMapping]:
    """Every lead of a client, with these columns: without any, what it is recognised by."""
    wanted = [business_leads.c[name] for name in columns]
    return list(session.execute(select(*wanted).where(business_leads.c.client_id == client_id).order_by("id")).mappings())


def insert_found(session: Session, client: RowMapping, values: Mapping[str, Any], *, search_id: int) -> int:
    """A lead that no search had found before. Raises Invalid."""
    require_only(values, FOUND | {"place_id"})
    whose = {
        "user_id": client["user_id"],
        "company_id": client["company_id"],
        "client_id": client["id"],
        "search_id": search_id,
    }
    return int(insert_row(session, business_leads, {**whose, **values})["id"])


def read_raw(lead: RowMapping) -> dict[str, Any]:
    """What is kept of a lead beside its columns: `aliases`, and the ids of leads that it `could_be` or is `apart` from."""
    return dict(lead["raw_data"]) if isinstance(lead["raw_data"], dict) else {}


def update_found(
    session: Session,
    lead_id: int,
    values: Mapping[str, Any],
    *,
    search_id: int,
    aliases: Sequence[Mapping[str, Any]],
    could_be: Sequence[int],
) -> list[str]:
    """Bring a lead up to date, but for what people have set and what is not known this time; returns what has changed."""
    require_only(values, FOUND)
    held = get_lead(session, lead_id)
    kept = set(held["edited_fields"])
    newer = {name: value for name, value in values.items() if name not in kept and value is not None and value != held[name]}
    raw = read_raw(held)
    doubts = sorted({*raw.get("could_be", ()), *could_be})
    if (raw.get("aliases"), raw.get("could_be", [])) != (list(aliases), doubts):
        newer["raw_data"] = {**raw, "aliases": [dict(alias) for alias in aliases], "could_be": doubts}
    if newer:
        update_row(session, business_leads, lead_id, {**newer, "search_id": search_id})
    return sorted(newer.keys() - {"raw_data", "partnership_factors", "partnership_score", "potential_value"})

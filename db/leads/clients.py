"""The businesses that leads are looked for, and who their rows belong to."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, Table, select
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.leads import leads_clients
from db.base.rows import delete_row, get_row, insert_row, list_rows, require_only, update_row

_REQUIRED = ("name", "address", "keyword")
_CHANGEABLE = (*_REQUIRED, "google_business_url", "business_type", "zip_code", "city", "state", "notes", "is_active")


def subject(client_id: int) -> str:
    """What jobs about this client are about."""
    return f"client:{client_id}"


def insert_client(session: Session, values: Mapping[str, Any], *, user_id: str, company_id: int | None = None) -> RowMapping:
    """A new client; `name`, `address` and `keyword` are needed. Raises Invalid."""
    require_only(values, _CHANGEABLE)
    missing = [name for name in _REQUIRED if not values.get(name)]
    if missing:
        raise Invalid(f"a client needs {', '.join(missing)}")
    return insert_row(session, leads_clients, {"user_id": user_id, "company_id": company_id, **values})


def get_client(session: Session, client_id: int) -> RowMapping:
    """One client. Raises NotFound."""
    return get_row(session, leads_clients, client_id)


def lock_client(session: Session, client_id: int) -> RowMapping:
    """One client, of which no other may be looked at so until this transaction ends. Raises NotFound."""
    session.execute(select(leads_clients.c.id).where(leads_clients.c.id == client_id).with_for_update(key_share=True))
    return get_client(session, client_id)


def geo_of(client: RowMapping) -> str:
    """Where a client's leads are looked for: its zip code, city or address, as earlier clients do."""
    city = ", ".join(part for part in (client["city"], client["state"]) if part)
    return str(client["zip_code"] or city or client["address"])


def list_clients(session: Session, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Newest first."""
    return list_rows(session, leads_clients, before=before, limit=limit)


def update_client(session: Session, client_id: int, values: Mapping[str, Any]) -> RowMapping:
    """Set these columns. Raises NotFound, Refused, Invalid."""
    require_only(values, _CHANGEABLE)
    return update_row(session, leads_clients, client_id, values)


def delete_client(session: Session, client_id: int) -> None:
    """Remove a client with its searches, leads, analyses, schedules and what was read of competitors. Raises NotFound, Refused."""
    delete_row(session, leads_clients, client_id)


def insert_of_client(session: Session, table: Table, client_id: int, values: Mapping[str, Any], *, user_id: str) -> RowMapping:
    """A new row about this client, in the company that the client is in. Raises NotFound."""
    company_id = get_client(session, client_id)["company_id"]
    return insert_row(session, table, {"user_id": user_id, "company_id": company_id, "client_id": client_id, **values})

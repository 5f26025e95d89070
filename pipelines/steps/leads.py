"""Searches for leads: begun, collected page by page, and kept as leads of which each is one business."""

import dataclasses
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Refused, Snoozed
from core.settings import settings
from db.awaited import Question
from db.base.leads import LeadType, SearchStatus
from db.leads import clients, searches
from pipelines.base import enqueue, step
from pipelines.context import Context
from pipelines.leads.judge import list_queries
from pipelines.leads.keeping import keep
from pipelines.leads.listing import Listing
from pipelines.leads.told import read_results
from pipelines.outside import ask
from pipelines.providers.listings import Listings, Query, get_listings
from pipelines.providers.workflow import Workflow

_MOST_PAGES = 400
_LONGEST_ERROR = 500


@step(queue="io")
def begin(ctx: Context) -> object:
    """Let the search run; one that a schedule fired is written first."""
    result: dict[str, Any] = {}
    with ctx.complete(result) as session:
        search_id = ctx.args["search_id"] or _insert(ctx, session)
        # An answer that came late replaces what the search has ended with.
        if not (ctx.args["late"] and searches.get_search(session, search_id)["status"] == SearchStatus.COMPLETED):
            searches.begin_search(session, search_id)
        result["search_id"] = search_id
    return result


def _insert(ctx: Context, session: Session) -> int:
    client = clients.get_client(session, ctx.args["client_id"])
    made = searches.insert_search(
        session, client["id"], user_id=ctx.held.owner_id, keyword=client["keyword"], geo=clients.geo_of(client)
    )
    return int(made["id"])


@step(queue="io", max_attempts=8)
def collect(ctx: Context) -> object:
    """Everything that the source tells: page by page, or once a workflow has called back."""
    source = get_listings(settings())
    if source.provider:
        ctx.calls(source.provider)
    with ctx.read() as session:
        search = searches.get_search(session, ctx.result("begin")["search_id"])
    if isinstance(source, Workflow):
        told, note = _ask(ctx, source, search), None
    else:
        told, note = _read_pages(ctx, source, search)
    if note:
        ctx.log(note, level="warning")
    key = ctx.key("listings.json")
    with ctx.storage.writer(key) as file:
        file.write(json.dumps(told).encode())
    return {"key": key, "found": len(told), "provider": source.name, "note": note}


def _ask(ctx: Context, source: Workflow, search: RowMapping) -> list[dict[str, Any]]:
    late = {"client_id": search["client_id"], "search_id": search["id"], "late": True}
    question = Question("lead_search", str(search["id"]), "lead_search", late)
    wanted = {
        "client": search["user_id"],
        "client_business_id": search["client_id"],
        "search_id": f"search-{search['id']}",
        "keyword": search["keyword"],
        "geo": search["geo"],
        "search_types": search["search_types"],
        "verify_emails": search["verify_emails_requested"],
    }
    within = timedelta(hours=settings().leads_webhook_hours)
    answer = ask(ctx, question, within=within, send=lambda message_id: source.ask(message_id, wanted))
    if "error" in answer:
        raise Refused(f"The workflow says: {answer['error'][:_LONGEST_ERROR]}")
    return [dataclasses.asdict(listing) for listing in read_results(answer["results"])]


def _read_pages(ctx: Context, source: Listings, search: RowMapping) -> tuple[list[dict[str, Any]], str | None]:
    """Every page of every query that may be paid for, and what is missing; goes on where a lost worker was."""
    queries = list_queries(search["keyword"], [LeadType(kind) for kind in search["search_types"]])
    done: dict[str, Any] = ctx.last_checkpoint or {"query": 0, "cursor": None, "pages": 0, "listings": [], "notes": []}
    while done["query"] < len(queries):
        words = queries[done["query"]]
        ctx.progress(done["query"] / len(queries), f"looking for {words} in {search['geo']}")
        if (short := _pay(ctx, source, done)) is not None:
            left = ", ".join(queries[done["query"] :])
            done["notes"] = [*done["notes"], f"{short}. Not searched to the end: {left}"]
            break
        page = source.search(Query(words, search["geo"]), done["cursor"])
        done["listings"] += [dataclasses.asdict(listing) for listing in page.listings]
        done |= {"cursor": page.next_cursor, "pages": done["pages"] + 1, "query": done["query"] + (page.next_cursor is None)}
        done["notes"] += [page.note] * (page.note is not None)
        ctx.checkpoint(done)
    return done["listings"], "; ".join(done["notes"]) or None


def _pay(ctx: Context, source: Listings, done: dict[str, Any]) -> str | None:
    """Pay for the next page; why it cannot be paid for, where something was found already. Raises Snoozed where nothing was."""
    if done["pages"] >= _MOST_PAGES:
        return f"This search has read {_MOST_PAGES} pages, which is the most"
    price, pages = source.price, done["pages"]
    if price is None:
        return None
    if (pages + 1) * price.page_mills > price.search_mills:
        return (
            f"This search has cost ${pages * price.page_mills / 1000:.2f} of the ${price.search_mills / 1000:.2f} that one may"
        )
    try:
        ctx.spend(f"{source.provider}.mills", units=price.page_mills)
    except Snoozed as error:
        if not done["listings"]:
            raise
        return f"The budget for {price.payee} is used up: {error}"
    return None


@step(queue="io")
def absorb(ctx: Context) -> object:
    """Make leads of what was found, and tell which of them are new."""
    collected, search_id = ctx.result("collect"), ctx.result("begin")["search_id"]
    with ctx.storage.open(collected["key"]) as file:
        listings = [Listing(**{**told, "kinds": tuple(told["kinds"])}) for told in json.load(file)]
    result: dict[str, Any] = {}
    with ctx.complete(result) as session:
        search = searches.get_search(session, search_id)
        kept = keep(session, search, listings, provider=collected["provider"])
        searches.complete_search(session, search_id, kept, note=collected.get("note"))
        new = [one["leadId"] for one in kept if one["isNew"]]
        result |= {"leads": len(kept), "new": len(new)}
        if new and (ctx.args["late"] or ctx.args["search_id"] is None):  # nobody waits for it
            # A job of its own: a way to tell that is away must not hold the search, nor the schedule's next one.
            enqueue(
                session,
                "lead_digest",
                {"search_id": search_id, "lead_ids": new},
                owner_id=ctx.held.owner_id,
                subject=clients.subject(search["client_id"]),
            )
    return result

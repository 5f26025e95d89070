"""Tells users what is new: the leads that a search found, and what changed at a competitor."""

from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping

from core.settings import settings
from db import competitors, people
from db.base.competitors import Severity
from db.leads import clients, found, searches
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.messages import Message, get_channel

_MOST_TOLD = 25
_LEAD_TOLD = ("title", "business_type", "partnership_score", "phone", "website", "address", "city")


def tell(ctx: Context, message: Message) -> object:
    """Deliver a message once, by whichever way is configured. Raises as its channel does, and as `ctx.effect`."""
    channel = get_channel(settings())
    if channel.provider:
        ctx.calls(channel.provider)
    answer = {"by": channel.name, "id": message.id}

    def make() -> object:
        channel.send(message)
        return answer

    return ctx.effect("message", key=message.id, make=make, find=lambda: answer if channel.find(message) else None)


@step(queue="io", max_attempts=8)
def tell_new_leads(ctx: Context) -> object:
    """Tell what an answer to a search brought that was not there before; nothing where all of it is removed since."""
    with ctx.read() as session:
        search = searches.get_search(session, ctx.args["search_id"])
        client = clients.get_client(session, search["client_id"])
        # Not the search's results: a later answer may have replaced them. Jobs of before the list have nothing else.
        lead_ids = ctx.args["lead_ids"]
        new_ids = _list_new(search) if lead_ids is None else lead_ids
        new = found.list_by_ids(session, new_ids)
        address = people.list_emails(session, [ctx.held.owner_id]).get(ctx.held.owner_id)
    if not new:
        return {"told": 0}
    new.sort(key=lambda lead: -(lead["partnership_score"] or 0))
    subject = f"{len(new)} new lead{'s' * (len(new) > 1)} for {client['name']}"
    lines = [f"Searched for {search['keyword']} near {search['geo']}. Not seen before, the most promising first:", ""]
    lines += [_line(lead) for lead in new[:_MOST_TOLD]]
    lines += [f"and {len(new) - _MOST_TOLD} more"] * (len(new) > _MOST_TOLD)
    leads = [{"leadId": lead["id"], **{to_camel(name): lead[name] for name in _LEAD_TOLD}} for lead in new[:_MOST_TOLD]]
    data = {"clientId": client["id"], "searchId": search["id"], "newLeads": len(new), "leads": leads}
    # A lead is new once: its id tells this answer's message from those of the other answers to the search.
    message_id = f"leads-{search['id']}" if lead_ids is None else f"leads-{search['id']}-{min(lead_ids)}"
    told = tell(ctx, Message(message_id, "leads.found", ctx.held.owner_id, address, subject, _text(lines), data))
    return {"told": len(new), "message": told}


def _list_new(search: RowMapping) -> list[int]:
    return [result["leadId"] for result in search["results"] or () if result.get("isNew")]


def _line(lead: RowMapping) -> str:
    known = [str(lead[name]) for name in ("phone", "website", "address", "city") if lead.get(name)]
    kind, score = (lead["business_type"] or "lead").replace("_", " "), lead["partnership_score"]
    return f"- {lead['title']} ({kind}, {score} of 100): {', '.join(known)}"


@step(queue="io", max_attempts=8)
def tell_changes(ctx: Context) -> object:
    """Tell what a reading of a competitor showed, the gravest first."""
    with ctx.read() as session:
        reading = competitors.get_snapshot(session, ctx.args["snapshot_id"])
        changes = competitors.list_changes_of(session, reading["id"])
        address = people.list_emails(session, [ctx.held.owner_id]).get(ctx.held.owner_id)
    if not changes:  # removed since
        return {"told": 0}
    order = list(Severity)[::-1]
    changes.sort(key=lambda change: order.index(Severity(change["severity"])))
    number, name = len(changes), ctx.args["name"]
    subject = f"{name}: {number} change{'s' * (number > 1)}"
    lines = [f"What changed at {reading['url'] or name}, the gravest first:", ""]
    lines += [f"- ({change['severity']}) {change['summary']}" for change in changes[:_MOST_TOLD]]
    lines += [f"and {number - _MOST_TOLD} more"] * (number > _MOST_TOLD)
    told_of = ("id", "change_type", "field", "before", "after", "severity", "summary")
    data = {
        "clientId": reading["client_id"],
        "url": reading["url"],
        "changes": [{name: change[name] for name in told_of} for change in changes[:_MOST_TOLD]],
    }
    message = Message(f"changes-{reading['id']}", "competitor.changed", ctx.held.owner_id, address, subject, _text(lines), data)
    return {"told": number, "message": tell(ctx, message)}


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"

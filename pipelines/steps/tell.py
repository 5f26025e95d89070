"""Tells users what is new: the leads that a search found, and what changed at a competitor."""

from collections.abc import Mapping
from typing import Any

from core.settings import settings
from db import competitors, people
from db.base.competitors import Severity
from db.leads import clients, searches
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.messages import Message, get_channel

_MOST_TOLD = 25
_LEAD_TOLD = ("leadId", "title", "businessType", "partnershipScore", "phone", "website", "address", "city")


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
    """Tell what a search found that was not there before; nothing where there is nothing."""
    with ctx.read() as session:
        search = searches.get_search(session, ctx.args["search_id"])
        client = clients.get_client(session, search["client_id"])
        address = people.list_emails(session, [ctx.held.owner_id]).get(ctx.held.owner_id)
    new = [result for result in search["results"] or () if result.get("isNew")]
    if not new:
        return {"told": 0}
    new.sort(key=lambda lead: -(lead.get("partnershipScore") or 0))
    subject = f"{len(new)} new lead{'s' * (len(new) > 1)} for {client['name']}"
    lines = [f"Searched for {search['keyword']} near {search['geo']}. Not seen before, the most promising first:", ""]
    lines += [_line(lead) for lead in new[:_MOST_TOLD]]
    lines += [f"and {len(new) - _MOST_TOLD} more"] * (len(new) > _MOST_TOLD)
    leads = [{name: lead.get(name) for name in _LEAD_TOLD} for lead in new[:_MOST_TOLD]]
    data = {"clientId": client["id"], "searchId": search["id"], "newLeads": len(new), "leads": leads}
    told = tell(ctx, Message(f"leads-{search['id']}", "leads.found", ctx.held.owner_id, address, subject, _text(lines), data))
    return {"told": len(new), "message": told}


def _line(lead: Mapping[str, Any]) -> str:
    known = [str(lead[name]) for name in ("phone", "website", "address", "city") if lead.get(name)]
    return (
        f"- {lead['title']} ({lead['businessType'].replace('_', ' ')}, {lead['partnershipScore']} of 100): {', '.join(known)}"
    )


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

"""Finds out what a client's leads say of its market."""

from datetime import UTC, datetime
from functools import partial

from core.settings import settings
from db.intel import Kind, keep_intelligence
from db.leads import clients, found
from pipelines.base import step
from pipelines.context import Context
from pipelines.leads import intel, swot
from pipelines.providers.language import get_language


@step(queue="ai", max_attempts=4)
def investigate(ctx: Context) -> object:
    """One kind after the other, each kept as soon as it is known; and what said so."""
    language = get_language(settings())
    if language.provider:
        ctx.calls(language.provider)
    done: list[str] = ctx.last_checkpoint or []
    with ctx.read() as session:
        client = dict(clients.get_client(session, ctx.args["client_id"]))
        leads = [dict(lead) for lead in found.list_known(session, client["id"], columns=swot.READ)]
    for kind in map(Kind, ctx.args["actions"]):
        if kind in done:
            continue
        ctx.progress(len(done) / len(ctx.args["actions"]), kind.value)
        if language.provider:
            ctx.spend(language.provider)
        evidence = intel.tell_evidence(client, leads, ctx.args)
        made = language.ask(
            intel.SHAPES[kind], intel.INSTRUCTIONS[kind], evidence, by_rules=partial(intel.by_rules, kind, leads)
        )
        analyzed = len(leads) if language.is_offline else len(evidence["leads"])
        analysis = {**intel.as_analysis(kind, made, leads), "modelUsed": language.name, "leadsAnalyzed": analyzed}
        with ctx.write() as session:
            keep_intelligence(
                session,
                client["id"],
                kind,
                analysis,
                model_used=language.name,
                said_at=datetime.now(UTC),
                user_id=ctx.held.owner_id,
            )
        done = [*done, kind.value]
        ctx.checkpoint(done)
    return {"model_used": language.name, "kinds": done}

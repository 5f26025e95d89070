"""Analyses the leads of a client."""

from core.settings import settings
from db.base.leads import AnalysisStatus
from db.leads import clients, found, searches
from pipelines.base import step
from pipelines.context import Context
from pipelines.leads import swot
from pipelines.providers.language import get_language


@step(queue="ai", max_attempts=4)
def analyse(ctx: Context) -> object:
    """Write what the leads say of the client's market, and what said so."""
    language, analysis_id = get_language(settings()), ctx.args["analysis_id"]
    if language.provider:
        ctx.calls(language.provider)
        ctx.spend(language.provider)
    with ctx.write() as session:
        searches.begin_analysis(session, analysis_id)
        client = dict(clients.get_client(session, ctx.args["client_id"]))
        leads = [dict(lead) for lead in found.list_known(session, client["id"], columns=swot.READ)]
    ctx.progress(None, f"{len(leads)} leads")
    evidence = swot.as_evidence(client, leads)
    made = language.ask(swot.Swot, swot.INSTRUCTIONS, evidence, by_rules=lambda: swot.by_rules(client, leads))
    columns = swot.as_columns(made, leads)
    analyzed = len(leads) if language.is_offline else len(evidence["leads"])
    with ctx.complete({"model_used": language.name, "leads": analyzed}) as session:
        searches.move_analysis(
            session,
            analysis_id,
            AnalysisStatus.COMPLETED,
            **columns,
            model_used=language.name,
            leads_analyzed=analyzed,
            error_message=None,
        )
    return None

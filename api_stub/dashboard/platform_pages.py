"""Pages on the platform, for operators: queues, workers, schedules, providers, and what operators did."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api_stub import ops, ops_schedules
from api_stub.auth import DatabaseHere
from api_stub.dashboard.rendering import render
from api_stub.operators import ActionReader, Configurer, Deeds, Mender, may
from api_stub.providers import NewBreaker, close_breaker, put_breaker
from core.version import source_version
from db import jobs, operators, providers, status, workers
from db.jobs import Scope
from db.permissions import OperatorDeed

router = APIRouter(include_in_schema=False, dependencies=[Depends(may(OperatorDeed.WATCH))])
Reason = Annotated[str | None, Form(max_length=500)]


@router.get("/queues", response_class=HTMLResponse)
def queues_page(request: Request, deeds: Deeds, database: DatabaseHere) -> Response:
    """Depth, age, limits and pauses."""
    with database.jobs() as session:
        values = {
            "queues": status.list_queues(session),
            "pauses": jobs.list_pauses(session),
            "limits": jobs.list_limits(session),
            "weights": jobs.list_weights(session),
            "lightest": jobs.LIGHTEST,
            "heaviest": jobs.HEAVIEST,
        }
    may_do = {"mends": OperatorDeed.MEND in deeds, "configures": OperatorDeed.CONFIGURE in deeds}
    return render(request, "queues.html", **values, **may_do, kinds=list(Scope))


@router.post("/pauses")
def act_on_pause(
    operator: Mender,
    database: DatabaseHere,
    *,
    kind: Annotated[Scope, Form()],
    name: Annotated[str, Form(min_length=1, max_length=200)],
    action: Annotated[str, Form(pattern="pause|drain|resume")],
    reason: Reason = None,
) -> Response:
    """The buttons of what stands still, or shall. Raises NotFound, Invalid."""
    if action == "resume":
        ops.delete_pause(kind, name, operator, database)
    else:
        ops.put_pause(ops.NewPause(kind=kind, name=name, drain=action == "drain", reason=reason), operator, database)
    return RedirectResponse("/queues", 303)


@router.post("/limits")
def set_limit(
    operator: Configurer,
    database: DatabaseHere,
    kind: Annotated[Scope, Form()],
    name: Annotated[str, Form(min_length=1, max_length=200)],
    most: Annotated[str, Form(pattern=r"^\d{0,4}$")] = "",
) -> Response:
    """The form of a limit; an empty number takes it away. Raises Invalid."""
    ops.put_limit(ops.NewLimit(kind=kind, name=name, most=int(most) if most else None), operator, database)
    return RedirectResponse("/queues", 303)


@router.post("/weights")
def set_weight(
    operator: Configurer,
    database: DatabaseHere,
    owner_id: Annotated[str, Form(min_length=1, max_length=200)],
    weight: Annotated[float, Form()],
) -> Response:
    """The form of an owner's weight. Raises NotFound, Invalid."""
    ops.put_weight(owner_id, operator, database, weight)
    return RedirectResponse("/queues", 303)


@router.post("/queues/{name}/promise")
def set_promise(
    name: str, operator: Configurer, database: DatabaseHere, promise_seconds: Annotated[int, Form(ge=1, le=7 * 86400)]
) -> Response:
    """The form of a queue's promise. Raises NotFound."""
    ops.put_promise(name, ops.NewPromise(promise_seconds=promise_seconds), operator, database)
    return RedirectResponse("/queues", 303)


@router.get("/workers", response_class=HTMLResponse)
def workers_page(request: Request, database: DatabaseHere) -> Response:
    """Every process, and what it is at."""
    with database.jobs() as session:
        found = workers.list_workers(session)
    return render(request, "workers.html", workers=found, version=source_version())


@router.get("/schedules", response_class=HTMLResponse)
def schedules_page(request: Request, deeds: Deeds, database: DatabaseHere) -> Response:
    """When each is due, and what became of the last instants."""
    found = ops_schedules.read_schedules(database)
    return render(request, "schedules.html", schedules=found, mends=OperatorDeed.MEND in deeds)


@router.post("/schedules/{schedule_id}")
def act_on_schedule(
    schedule_id: UUID, operator: Mender, database: DatabaseHere, action: Annotated[str, Form(pattern="pause|resume|run")]
) -> Response:
    """The buttons of a schedule. Raises NotFound, Invalid."""
    if action == "run":
        return RedirectResponse(f"/jobs/{ops_schedules.run(database, operator, schedule_id)}", 303)
    if action == "pause":
        ops_schedules.pause_any_schedule(schedule_id, operator, database)
    else:
        ops_schedules.resume_any_schedule(schedule_id, operator, database)
    return RedirectResponse("/schedules", 303)


@router.get("/providers", response_class=HTMLResponse)
def providers_page(request: Request, deeds: Deeds, database: DatabaseHere) -> Response:
    """What is called on the outside, and what holds it back."""
    with database.jobs() as session:
        found = providers.list_providers(session)
    return render(request, "providers.html", providers=found, mends=OperatorDeed.MEND in deeds)


@router.post("/providers/{name}")
def act_on_provider(
    name: str,
    operator: Mender,
    database: DatabaseHere,
    *,
    action: Annotated[str, Form(pattern="hold|try")] = "try",
    owner_id: Annotated[str | None, Form()] = None,
    reason: Reason = None,
) -> Response:
    """The buttons of a provider. Raises NotFound, Invalid."""
    if action == "try":
        close_breaker(database, operator, name, owner_id=owner_id or None)
    else:
        put_breaker(name, NewBreaker(seconds=3600, reason=reason), operator, database)
    return RedirectResponse("/providers", 303)


@router.get("/actions", response_class=HTMLResponse)
def actions_page(request: Request, _operator: ActionReader, database: DatabaseHere) -> Response:
    """What operators did, the newest first."""
    with database.jobs() as session:
        return render(request, "actions.html", actions=operators.list_actions(session))

"""The web application: routes, errors, security headers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from api_stub import (
    admin,
    auth,
    batches,
    bulk,
    callbacks,
    clouds,
    coach,
    companies,
    competitors,
    confidentiality,
    connections,
    events,
    from_url,
    health,
    ingest_requests,
    intel,
    jobs,
    keys,
    lead_doubts,
    lead_schedules,
    leads,
    media,
    ops,
    ops_jobs,
    ops_schedules,
    problems,
    providers,
    publishing,
    resources,
    schedules,
    schema,
    search,
    sign_in,
    studio,
    tus,
    uploads,
    videos,
    webhooks,
    workbook,
)
from api_stub.clerk import Clerk
from api_stub.dashboard import pages
from api_stub.description import describe
from api_stub.door import Door
from core.nudge import Listener
from core.rates import Quota, Rates
from core.settings import Settings
from core.storage import Storage
from db.engine import Database


def create_app(database: Database, storage: Storage, settings: Settings) -> FastAPI:
    """The application on this pool of connections and these files.

    With `settings.local_mode` the one-time link, the cookie and the check of the host's name are there, and the API's description
    is open; without it whoever comes has to sign in or send a key for anything but /livez, /readyz and the files of /static.
    """
    live = events.Live(database, Listener(settings.redis_url.get_secret_value()))

    rates = Rates("" if settings.local_mode else settings.redis_url.get_secret_value())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        live.stop()
        rates.close()

    app = _fastapi(lifespan)
    app.openapi = _description  # type: ignore[method-assign]  # as FastAPI says to extend it
    app.state.database, app.state.storage, app.state.settings, app.state.live = database, storage, settings, live
    app.state.rates, app.state.quotas = rates, quotas(settings)
    secret_key = settings.clerk_secret_key.get_secret_value()
    app.state.clerk = Clerk(settings.clerk_issuer, settings.clerk_origins, secret_key) if settings.clerk_issuer else None
    app.add_middleware(Door, rates=rates, address=app.state.quotas["address"])
    app.add_middleware(auth.Guard, local=settings.local_mode)
    problems.install(app)
    app.router.routes.extend(_routes())
    if settings.local_mode:
        app.add_api_route("/sign-in", auth.sign_in, methods=["GET"], include_in_schema=False)
    app.add_api_route(
        "/openapi.json",
        _get_description,
        methods=["GET"],
        include_in_schema=False,
        dependencies=[] if settings.local_mode else [Depends(auth.get_user)],
    )
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "dashboard" / "static"), name="static")
    return app


def _fastapi(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    return FastAPI(
        title="AskStephen job platform",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=problems.DECLARED,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
    )


@cache
def _routes() -> Sequence[BaseRoute]:
    """Those of every application of this process: FastAPI works them out at the first request, in a third of a second."""
    made = _fastapi()
    for module in (
        admin,
        health,
        jobs,
        batches,
        clouds,
        webhooks,
        events,
        competitors,
        from_url,
        videos,
        confidentiality,
        ingest_requests,
        uploads,
        tus,
        media,
        ops,
        ops_jobs,
        ops_schedules,
        bulk,
        providers,
        schema,
        search,
        workbook,
        coach,
        companies,
        publishing,
        studio,
        callbacks,
        intel,
        lead_doubts,
        lead_schedules,
        leads,
        schedules,
        connections,
        sign_in,
        keys,
    ):
        made.include_router(module.router)
    for router in resources.routers:
        made.include_router(router)
    made.include_router(events.ops)
    made.include_router(pages.router)
    return made.router.routes


@cache
def _description() -> dict[str, Any]:
    """That of every application of this process: working it out takes two seconds."""
    app = _fastapi()
    app.router.routes.extend(_routes())
    return describe(app)


def quotas(settings: Settings) -> dict[str, Quota]:
    """How much whoever asks may ask, by what is counted."""
    return {
        "address": Quota("address", settings.address_requests_per_minute),
        "user": Quota("user", settings.requests_per_minute),
        "writes": Quota("writes", settings.writes_per_minute),
    }


def _operation_id(route: APIRoute) -> str:
    return route.name


def _get_description(request: Request) -> JSONResponse:
    """Every route."""
    return JSONResponse(request.app.openapi())

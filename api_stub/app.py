"""The web application: routes, errors, security headers."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from api_stub import auth, health, jobs, problems
from api_stub.dashboard import pages
from db.engine import Database


def create_app(database: Database) -> FastAPI:
    """The application on this pool of connections."""
    app = FastAPI(title="AskStephen job platform", docs_url=None, redoc_url=None)
    app.state.database = database
    app.add_middleware(auth.Guard)
    problems.install(app)
    app.include_router(health.router)
    app.include_router(jobs.router)
    app.add_api_route("/sign-in", auth.sign_in, methods=["GET"], include_in_schema=False)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "dashboard" / "static"), name="static")
    return app

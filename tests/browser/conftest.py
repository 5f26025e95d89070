from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from api_stub.app import create_app
from core.local_stack.servers import Servers
from core.sandbox.run import Sandbox
from core.settings import Settings
from core.storage import FolderStorage
from db import users
from db.engine import Database
from testkit import Worker
from tests.browser.chromium import launch, uncomplaining
from tests.browser.served import Served, cut_talk, serve, take_in
from tests.browser.stage import set_stage
from tests.conftest import cloned, opened
from tests.media import make_clip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On one process: three real ingests are made once, and one Chromium runs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("browser"))


# Of the package, not the session: while Playwright runs, its event loop is this thread's.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="session")
def worker_of_all(stack: Servers, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("served")
    with cloned(stack) as url, opened(url) as database:
        yield Worker(database, FolderStorage(folder / "storage"), sandbox, folder / "attempts")


@pytest.fixture
def database_of_all(worker_of_all: Worker) -> Database:
    return worker_of_all.database


@pytest.fixture(scope="session")
def served(worker_of_all: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("films")
    notes = folder / "notes.mp4"
    notes.write_text("These are only notes.\n" * 100)
    flagged = take_in(worker_of_all, cut_talk(folder / "talk.mp4"))
    silent = take_in(worker_of_all, make_clip(folder / "silent.mp4", seconds=2, audio=None))
    refused = take_in(worker_of_all, notes)
    worker_of_all.drain()
    stage = set_stage(worker_of_all.database, users.LOCAL_OWNER)
    config = Settings(local_mode=True, redis_url="", watch_owner="", _env_file=None)
    app = create_app(worker_of_all.database, worker_of_all.storage, config)
    with serve(app) as url:
        yield Served(url, worker_of_all, flagged, silent, refused, stage)


def _signed_in(browser: Browser, served: Served, *, scripts: bool) -> BrowserContext:
    context = browser.new_context(base_url=served.url, java_script_enabled=scripts)
    context.set_default_timeout(15_000)
    page = context.new_page()
    answer = page.goto(served.link())
    assert answer is not None
    assert answer.ok, answer.text()
    page.close()
    return context


@pytest.fixture(scope="package")
def signed_in(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    context = _signed_in(browser, served, scripts=True)
    yield context
    context.close()


@pytest.fixture(scope="package")
def signed_in_without_scripts(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    context = _signed_in(browser, served, scripts=False)
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    with uncomplaining(signed_in.new_page()) as page:
        yield page
    page.close()


@pytest.fixture
def plain_page(signed_in_without_scripts: BrowserContext) -> Iterator[Page]:
    page = signed_in_without_scripts.new_page()
    yield page
    page.close()

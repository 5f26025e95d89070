from collections.abc import Iterator
from contextlib import contextmanager

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
from tests.browser.served import Served, cut_talk, make_link, serve, take_in
from tests.browser.stage import set_stage
from tests.conftest import cloned, opened
from tests.media import make_clip

_LOCAL = Settings(local_mode=True, redis_url="", watch_owner="", _env_file=None)


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
    app = create_app(worker_of_all.database, worker_of_all.storage, _LOCAL)
    app.add_api_route("/bug", _fail)
    with serve(app) as url:
        yield Served(url, worker_of_all, flagged, silent, refused, stage)


def _fail() -> None:
    raise ZeroDivisionError("a bug that no page tells of")


@contextmanager
def _signed_in(browser: Browser, link: str, *, scripts: bool = True) -> Iterator[BrowserContext]:
    with browser.new_context(base_url=link.partition("/sign-in")[0], java_script_enabled=scripts) as context:
        context.set_default_timeout(15_000)
        page = context.new_page()
        answer = page.goto(link)
        assert answer is not None
        assert answer.ok, answer.text()
        page.close()
        yield context


@pytest.fixture(scope="package")
def signed_in(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    with _signed_in(browser, make_link(served.url, served.worker.database)) as context:
        yield context


@pytest.fixture(scope="package")
def signed_in_without_scripts(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    with _signed_in(browser, make_link(served.url, served.worker.database), scripts=False) as context:
        yield context


@pytest.fixture(scope="package")
def customer(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    """A shop's owner, who is no operator."""
    with _signed_in(browser, make_link(served.url, served.worker.database, "bela")) as context:
        yield context


@pytest.fixture(scope="package")
def newcomer(browser: Browser, stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """The owner of an installation in which nothing has happened yet."""
    storage = FolderStorage(tmp_path_factory.mktemp("nothing"))
    with (
        cloned(stack) as database_url,
        opened(database_url) as database,
        serve(create_app(database, storage, _LOCAL)) as url,
        _signed_in(browser, make_link(url, database)) as context,
    ):
        yield context


@pytest.fixture(scope="package")
def stranger(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    """Nobody who is signed in."""
    with browser.new_context(base_url=served.url) as context:
        yield context


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

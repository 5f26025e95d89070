"""Every page, those that are new too: what `create_app` knows is asked for, with one of each thing in its address."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydantic import SecretStr

from api_stub.app import create_app
from core.local_stack.servers import Servers
from core.settings import Settings
from tests.browser.axe import assert_accessible
from tests.browser.chromium import uncomplaining
from tests.browser.served import Served, serve
from tests.browser.stage import PAGES, address

pytestmark = [pytest.mark.browser, pytest.mark.media]
# Other faces of the same pages.
_FACES: dict[str, Callable[[Served], str]] = {
    "/#clear video": lambda served: f"/videos/{served.silent.video_id}",
    "/#refused video": lambda served: f"/videos/{served.refused.video_id}",
    "/#job that ended": lambda served: f"/jobs/{served.flagged.job_id}",
    "/#job that failed": lambda served: f"/jobs/{served.stage.failed}",
    "/#job that was quarantined": lambda served: f"/jobs/{served.stage.quarantined}",
    "/#job that waits": lambda served: f"/jobs/{served.stage.waiting}",
    "/#job that tries again": lambda served: f"/jobs/{served.stage.retrying}",
    "/#search": lambda _: "/search?query=password",
    "/#jobs found": lambda _: "/jobs?status=failed&pipeline=publish&error=quota",
    "/#no jobs found": lambda _: "/jobs?error=nowhere",
    "/#cancel preview": lambda _: "/jobs/bulk?deed=cancel&status=live",
    "/#preview of nothing": lambda _: "/jobs/bulk?deed=retry&error=nowhere",
    "/#all changes": lambda _: "/competitors?show=all",
    "/#not there": lambda _: "/nowhere",
    "/#malformed": lambda _: "/jobs/bulk?deed=dance",
    "/#link was used": lambda _: "/sign-in?token=used",
    "/#bug": lambda _: "/bug",
}
_OTHERS = {
    "/#customer": ("customer", "/"),
    "/#customer competitors": ("customer", "/competitors"),
    "/#forbidden": ("customer", "/jobs"),
    "/#forbidden area": ("customer", "/coach"),
    "/#stranger": ("stranger", "/"),
    **{f"/#new {page}": ("newcomer", page) for page in PAGES if "{" not in page},
}


def _address(served: Served, name: str) -> str:
    return _FACES[name](served) if name in _FACES else address(name, served.ids())


@pytest.mark.parametrize("name", [*PAGES, *_FACES])
def test_a_page_is_accessible_in_light_and_dark_and_fits_wide_and_narrow(page: Page, served: Served, name: str):
    page.goto(_address(served, name))
    assert_accessible(page, name=name)


@pytest.mark.parametrize("name", _OTHERS)
def test_a_page_is_accessible_to_others_too(request: pytest.FixtureRequest, name: str):
    whose, path = _OTHERS[name]
    context: BrowserContext = request.getfixturevalue(whose)
    with uncomplaining(context.new_page()) as page:
        page.goto(address(path, {}))
        assert_accessible(page, name=name)
    page.close()


def test_who_asks_too_often_is_told_when_to_come_again_on_a_page(browser: Browser, served: Served, stack: Servers):
    redis_url = SecretStr(stack.environment["REDIS_URL"])
    config = Settings(local_mode=False, redis_url=redis_url, address_requests_per_minute=1, watch_owner="", _env_file=None)
    whence = {"X-Forwarded-For": "198.51.100.7"}  # other tests ask from 127.0.0.1
    with (
        serve(create_app(served.worker.database, served.worker.storage, config)) as url,
        browser.new_context(base_url=url, extra_http_headers=whence) as context,
        uncomplaining(context.new_page()) as page,
    ):
        page.goto("/")
        assert_accessible(page, name="/#remote stranger")
        page.goto("/")
        expect(page.locator("h1")).to_have_text("Too Many Requests")
        assert_accessible(page, name="/#too many")


def test_a_keyboard_reaches_the_content_first(page: Page, served: Served):
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

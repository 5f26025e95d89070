"""Every page, those that are new too: what `create_app` knows is asked for, with one of each thing in its address."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.axe import assert_accessible
from tests.browser.served import Served
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
}


def _address(served: Served, name: str) -> str:
    return _FACES[name](served) if name in _FACES else address(name, served.ids())


@pytest.mark.parametrize("name", [*PAGES, *_FACES])
def test_a_page_is_accessible_in_light_and_dark_and_fits_wide_and_narrow(page: Page, served: Served, name: str):
    page.goto(_address(served, name))
    assert_accessible(page, name=name)


def test_a_keyboard_reaches_the_content_first(page: Page, served: Served):
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

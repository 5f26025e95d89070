from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.media]
AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
_RUN = """
async () => (await axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}})).violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`)
"""
# The name of each page in a failure, and where it is.
PAGES: dict[str, Callable[[Served], str]] = {
    "now": lambda _: "/",
    "flagged video": lambda served: f"/videos/{served.flagged.video_id}",
    "clear video": lambda served: f"/videos/{served.silent.video_id}",
    "refused video": lambda served: f"/videos/{served.refused.video_id}",
    "job": lambda served: f"/jobs/{served.flagged.job_id}",
    "failed job": lambda served: f"/jobs/{served.refused.job_id}",
    "schema": lambda _: "/schema",
    "competitors": lambda _: "/competitors",
    "search": lambda _: "/search?query=password",
    "coach": lambda _: "/coach",
    "jobs": lambda _: "/jobs",
    "retry preview": lambda _: "/jobs/bulk?deed=retry",
    "failures": lambda _: "/failures",
    "queues": lambda _: "/queues",
    "workers": lambda _: "/workers",
    "schedules": lambda _: "/schedules",
    "providers": lambda _: "/providers",
    "actions": lambda _: "/actions",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_light_and_dark_and_fits_wide_and_narrow(page: Page, served: Served, name: str):
    page.goto(PAGES[name](served))
    page.evaluate(AXE.read_text())
    for scheme, width in (("light", 1280), ("dark", 360)):  # colours follow the scheme, places and sizes the width
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(_RUN) == [], f"{scheme}, {width} px"
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_keyboard_reaches_the_content_first(page: Page, served: Served):
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

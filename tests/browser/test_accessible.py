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
PAGES = ("now", "flagged video", "clear video", "refused video", "job", "failed job", "schema", "search", "coach")


def address(served: Served, name: str) -> str:
    return {
        "now": "/",
        "flagged video": f"/videos/{served.flagged.video_id}",
        "clear video": f"/videos/{served.silent.video_id}",
        "refused video": f"/videos/{served.refused.video_id}",
        "job": f"/jobs/{served.flagged.job_id}",
        "failed job": f"/jobs/{served.refused.job_id}",
        "schema": "/schema",
        "jobs": "/jobs",
        "failures": "/failures",
        "queues": "/queues",
        "providers": "/providers",
        "bulk": "/jobs/bulk?deed=retry",
        "search": "/search?query=password",
        "coach": "/coach",
    }[name]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_light_and_dark_wide_and_narrow(page: Page, served: Served, name: str):
    page.goto(address(served, name))
    page.evaluate(AXE.read_text())
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(_RUN) == [], f"{scheme}, {width} px"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_narrow_screen(page: Page, served: Served, name: str):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(address(served, name))
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_keyboard_reaches_the_content_first(page: Page, served: Served):
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

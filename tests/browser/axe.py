"""axe on an open page: in light and wide everything, then in dark and narrow what these can change."""

import os
import re
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

_AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text()
_SHOTS = os.environ.get("SHOTS")  # a folder: what is tested is also kept as pictures, to be looked at
_RUN = """
async (rules) => (await axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}},
    ...(rules && {runOnly: rules})})).violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`)
"""
# What the scheme and the width can change; names, roles and order are those of the first look.
_OF_STYLE = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]


def assert_accessible(page: Page, *, name: str) -> None:
    """No serious finding, and nothing beside the window."""
    page.evaluate(_AXE)
    for scheme, width, rules in (("light", 1280, None), ("dark", 390, _OF_STYLE)):
        _look(page, scheme, width, name)
        assert page.evaluate(_RUN, rules) == [], f"{scheme}, {width} px"
    if _SHOTS:  # for people: the rules find nothing in these that they did not find in the others
        for scheme, width in (("light", 390), ("dark", 1280)):
            _look(page, scheme, width, name)


def _look(page: Page, scheme: Literal["light", "dark"], width: int, name: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if _SHOTS:
        file = re.sub("[^a-z]+", "-", name).strip("-") or "now"
        page.screenshot(path=f"{_SHOTS}/{file}-{scheme}-{width}.png", full_page=True)

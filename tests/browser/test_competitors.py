import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import CHANGES

pytestmark = [pytest.mark.browser, pytest.mark.media]


def test_a_change_is_acknowledged_by_its_button_without_a_script(plain_page: Page):
    _, _, seen = CHANGES[0]
    _, _, other = CHANGES[1]
    plain_page.goto("/competitors")
    plain_page.get_by_role("row").filter(has_text=seen).get_by_role("button").click()
    expect(plain_page.get_by_text(seen)).to_have_count(0)
    expect(plain_page.get_by_text(other)).to_be_visible()
    plain_page.get_by_role("link", name="All changes").click()
    expect(plain_page.get_by_text(seen)).to_be_visible()

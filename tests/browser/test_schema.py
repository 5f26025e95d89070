from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.media]
DATA = Path(__file__).parents[1] / "data" / "generations"


def test_a_dump_is_chosen_and_compared(plain_page: Page):
    plain_page.goto("/schema")
    expect(plain_page.get_by_text("0 only in A, 0 only in B")).to_be_visible()
    plain_page.get_by_label("Dump of an earlier database").set_input_files(DATA / "replit.sql")
    plain_page.get_by_role("button", name="Compare it with this version").click()
    expect(plain_page.get_by_text("A is replit.sql")).to_be_visible()
    plain_page.get_by_role("link", name="videos", exact=True).click()
    expect(plain_page.get_by_role("region", name="Differences of videos")).to_contain_text("company_id")

"""Findings are decided on, on the page of their video."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.media]


def test_a_finding_is_decided_on_without_a_script_and_opened_again(plain_page: Page, served: Served):
    plain_page.goto(f"/videos/{served.flagged.video_id}")
    first = plain_page.locator(".findings > li").first
    first.get_by_text("Decide").click()
    first.get_by_label("Why").fill("It is on the price list.")
    first.get_by_role("button", name="Ignore").click()
    first = plain_page.locator(".findings > li").first
    expect(first).to_contain_text("ignored by local-owner: It is on the price list.")
    assert plain_page.url.endswith("#" + (first.get_attribute("id") or "?"))
    first.get_by_text("Decide anew").click()
    first.get_by_role("button", name="Open again").click()
    expect(plain_page.locator(".findings > li").first.locator(".decision")).to_have_count(0)


def test_without_a_reason_the_form_is_not_sent(page: Page, served: Served):
    page.goto(f"/videos/{served.flagged.video_id}")
    first = page.locator(".findings > li").first
    first.get_by_text("Decide").click()
    first.get_by_role("button", name="Resolved").click()
    assert first.get_by_label("Why").evaluate("input => input.validity.valueMissing")
    assert "still to decide on" in page.locator("#beside").inner_text()


def test_the_forms_are_accessible(page: Page, served: Served):
    page.goto(f"/videos/{served.flagged.video_id}")
    page.evaluate("document.querySelectorAll('details.decide').forEach(one => one.open = true)")
    assert_accessible(page, name="forms of a review")

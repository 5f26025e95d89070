"""What operators do, by plain forms: these pages run no script."""

import pytest
from playwright.sync_api import Page, expect

from db import users
from tests.api_stub.operating import break_job, make_job, status_of
from tests.browser.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.media]


def test_a_queue_is_resumed_paused_and_drained(plain_page: Page, served: Served):
    plain_page.goto("/queues")
    card = plain_page.locator("#queue-web")
    card.get_by_role("button", name="Resume").click()
    card.get_by_label("Why").fill("a new host")
    card.get_by_role("button", name="Pause").click()
    expect(card.locator(".error").last).to_contain_text("Paused since")
    expect(card.locator(".error").last).to_contain_text("a new host")
    card.get_by_role("button", name="Resume").click()
    card.get_by_role("button", name="Drain").click()
    expect(card.locator(".error").last).to_contain_text("Drains since")


def test_all_that_match_are_run_again_and_cancelled_after_a_preview(plain_page: Page, served: Served):
    database = served.worker.database
    found = [break_job(database, make_job(database, users.LOCAL_OWNER, subject="bulk:1"), "no") for _ in range(2)]
    for link, button, words, status in (
        ("Run again all that failed…", "Run 2 jobs again", "2 jobs run again", "queued"),
        ("Cancel all that have not ended…", "Cancel 2 jobs", "2 jobs asked to stop", "cancelled"),
    ):
        plain_page.goto("/jobs")
        plain_page.get_by_label("Subject").fill("bulk:1")
        plain_page.get_by_role("button", name="Search").click()
        plain_page.get_by_role("link", name=link).click()
        plain_page.get_by_label("Why").fill("it was mended")
        plain_page.get_by_role("button", name=button).click()
        expect(plain_page.locator("h1")).to_have_text(words)
        assert [status_of(database, one) for one in found] == [status, status]


def test_a_schedule_is_run_now_paused_and_resumed(plain_page: Page, served: Served):
    plain_page.goto("/schedules")
    card = plain_page.locator(".card", has_text="self check")
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused")
    card.get_by_role("button", name="Resume").click()
    expect(card).to_contain_text("Next")
    card.get_by_role("button", name="Run now").click()
    plain_page.wait_for_url("**/jobs/*")
    expect(plain_page.locator("h1")).to_contain_text("self check")


def test_a_provider_is_held_back_and_tried_again(plain_page: Page, served: Served):
    plain_page.goto("/providers")
    card = plain_page.locator(".card", has=plain_page.get_by_role("heading", name="youtube", exact=True))
    card.get_by_label("Why").fill("new keys")
    card.get_by_role("button", name="Hold back for an hour").click()
    expect(card).to_contain_text("Held back")
    expect(card).to_contain_text("new keys")
    card.get_by_role("button", name="Try now").click()
    expect(card).not_to_contain_text("Held back")

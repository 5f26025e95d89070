import pytest
from playwright.sync_api import Page, expect

from db import competitors, users, watched
from db.base.competitors import Severity, SnapshotSource
from db.competitors import Change, Reading
from db.leads import clients
from tests.browser.served import Served
from tests.browser.test_accessible import _RUN, AXE

pytestmark = [pytest.mark.browser, pytest.mark.media]
URL = "https://example.com/" + "a-very-long-path/" * 8


@pytest.fixture
def changes(served: Served) -> list[str]:
    """Sentences of changes that nobody has seen."""
    owner = users.LOCAL_OWNER
    told = [f"The price of Basic went from {number} USD to {number + 5} USD." for number in (19, 29)]
    with served.worker.database.tenant(owner) as session:
        client = clients.insert_client(session, {"name": "Us", "address": "Leeds", "keyword": "x"}, user_id=owner)["id"]
        watched.insert_competitor(
            session, client, competitor_key=f"url:{URL}", source=SnapshotSource.WEBSITE, url=URL, name="Ada", user_id=owner
        )
        row = competitors.insert_snapshot(session, client, Reading(f"url:{URL}", SnapshotSource.WEBSITE, URL), user_id=owner)
        found = [Change("price_changed", summary=each, severity=Severity.HIGH) for each in told]
        competitors.insert_changes(session, found, before_snapshot_id=None, after_snapshot_id=row["id"], user_id=owner)
    return told


def test_changes_are_acknowledged_and_the_page_is_accessible(page: Page, changes: list[str]):
    page.goto("/competitors")
    row = page.get_by_role("row").filter(has_text=changes[0])
    row.get_by_role("button").click()
    expect(page.get_by_text(changes[0])).to_have_count(0)
    expect(page.get_by_text(changes[1])).to_be_visible()
    page.evaluate(AXE.read_text())
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(_RUN) == [], f"{scheme}, {width} px"
    assert page.evaluate("document.documentElement.scrollWidth") == 360

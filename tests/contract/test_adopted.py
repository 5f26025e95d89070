"""Every route works on a database of each earlier generation that was adopted, for somebody who has rows in it."""

from collections.abc import Iterator

import pytest

from core.local_stack.servers import Servers
from core.storage import FolderStorage
from db import migrations
from db.base.accounts import users
from db.schema.adopt import Adoption
from db.schema.scratch import scratch_database
from tests.conftest import admin_url, cloned, opened
from tests.contract.adopted import (
    OWNER,
    Adopted,
    check_that_no_route_meets_what_it_does_not_know,
    check_that_what_was_there_is_changed_to_what_it_is,
    check_that_what_was_there_is_listed_and_read_with_the_zone_of_its_times,
    served,
    write_segments,
)
from tests.db.schema.generations import build

GENERATIONS = ("production with checks", "replit", "older names")  # of 18 tables, 28, and 30

OTHERWISE = {
    "DELETE /api/ingest-requests/{request_id}",  # the row that was there is no longer queued
    "PATCH /v1/companies/{company_id}/members/{user_id}",  # the company that was there has no such member
    "POST /v1/business-leads/{row_id}/could-be/{other_id}",  # the lead that was there is another client's
    # The schedule that was there has numbers that are no days.
    *(f"{method} /v1/leads-search-schedules/{{row_id}}{rest}" for method, rest in (("PATCH", ""), ("GET", "/preview"))),
    *(f"POST /v1/leads-search-schedules/{{row_id}}/{what}" for what in ("pause", "resume")),
}


@pytest.fixture(params=GENERATIONS)
def adopted(request: pytest.FixtureRequest, stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    folder = tmp_path_factory.mktemp("adopted")
    with scratch_database(admin_url(stack)) as url:
        build(url, request.param, rows=20)
        write_segments(url)
        Adoption(url, admin_url(stack), folder / "backups", say=lambda _words: None).run()
        migrations.upgrade(url)
        with opened(url) as database, served(database, FolderStorage(folder / "storage")) as walk:
            yield walk


@pytest.fixture(scope="session")
def on_a_new_one(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What each route answers where no earlier generation was."""
    folder = tmp_path_factory.mktemp("new")
    with cloned(stack) as url, opened(url) as database:
        with database.engine.begin() as connection:
            connection.execute(users.insert().values(id=OWNER))
        with served(database, FolderStorage(folder / "storage")) as walk:
            return check_that_no_route_meets_what_it_does_not_know(walk)


def test_every_route_works_on_it(adopted: Adopted, on_a_new_one: dict[str, int]):
    check_that_what_was_there_is_listed_and_read_with_the_zone_of_its_times(adopted)
    check_that_what_was_there_is_changed_to_what_it_is(adopted)
    statuses = check_that_no_route_meets_what_it_does_not_know(adopted)  # the last: it removes, too
    refused = [name for name, status in statuses.items() if status >= 400 and on_a_new_one[name] < 300]
    assert set(refused) <= OTHERWISE, "these do on a new database what they refuse on an adopted one"
    assert sum(status < 300 for status in statuses.values()) > 200

"""The menu: the pages that who asks may open."""

from fastapi import Request

from api_stub.auth import Person
from api_stub.operators import Deeds
from db.permissions import AREAS, Area, OperatorDeed

_PAGES: tuple[tuple[str, str, Area | OperatorDeed | None], ...] = (
    ("/", "Now", None),
    ("/competitors", "Competitors", Area.COMPETITORS),
    ("/search", "Search", Area.SEARCH),
    ("/coach", "Coach", Area.WORKBOOK),
    ("/jobs", "Jobs", OperatorDeed.WATCH),
    ("/failures", "Failures", OperatorDeed.WATCH),
    ("/queues", "Queues", OperatorDeed.WATCH),
    ("/workers", "Workers", OperatorDeed.WATCH),
    ("/schedules", "Schedules", OperatorDeed.WATCH),
    ("/providers", "Providers", OperatorDeed.WATCH),
    ("/actions", "Actions", OperatorDeed.READ_ACTIONS),
)


def keep_menu(request: Request, person: Person, deeds: Deeds) -> None:
    """A dependency of every page: keeps the menu with the request, where `base.html` finds it. Raises HTTP 401."""
    may = AREAS[person.role] | deeds
    request.state.menu = [(address, name) for address, name, needs in _PAGES if needs is None or needs in may]

"""Decides how a URL is fetched."""

from core.guard import Guard, get_guard
from core.settings import settings
from pipelines.providers.base import Delivery, Fetched, Wanted, check_file_name
from pipelines.providers.ranged import bring
from pipelines.providers.url.direct import find_file
from pipelines.providers.url.extract import extract


class Url:
    """`Wanted.path` is the URL. `guard` is for tests."""

    is_outside = True

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard

    def fetch(self, wanted: Wanted, delivery: Delivery) -> Fetched:
        """The file itself, gone on with after a break; else the video of the page, from the beginning each time."""
        check_file_name(wanted.file_name)
        guard, limit_bytes = self._guard or get_guard(), settings().upload_limit_bytes
        guard.check_url(wanted.path)
        with find_file(wanted, guard, limit_bytes) as file:
            if file is not None:
                return bring(file, delivery)
        return extract(wanted.path, delivery, guard, limit_bytes)

"""Pages of other people's sites, read as a polite guest: through the guard, as robots.txt asks, seldom, and only when something is new."""

from pipelines.providers.web.fetch import Page, fetch_page
from pipelines.providers.web.read import read

__all__ = ["Page", "fetch_page", "read"]

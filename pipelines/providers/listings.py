"""What a search for leads needs of a source of listings, and which one this installation asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.settings import Settings
from pipelines.leads.listing import Listing
from pipelines.providers.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, and where."""

    words: str
    geo: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some listings, where the next ones begin, if there are any, and what was not found that is there."""

    listings: Sequence[Listing]
    next_cursor: str | None = None
    note: str | None = None


class Listings(Protocol):
    """A source. Raises Unavailable, Refused, Misconfigured."""

    @property
    def name(self) -> str:
        """What is kept with what it found."""

    @property
    def provider(self) -> str | None:
        """Whose limits and breakers its calls are under; None when it calls nobody."""

    def search(self, query: Query, cursor: str | None) -> Page:
        """One page."""


def get_listings(config: Settings) -> Listings | Workflow:
    """The source that the settings name. Raises Misconfigured."""
    from pipelines.providers.directory import Directory
    from pipelines.providers.places import Places

    key = config.google_places_api_key.get_secret_value()
    wanted = config.leads_provider
    if wanted == "auto":
        wanted = "workflow" if config.leads_webhook_url.get_secret_value() else "places" if key else "directory"
    if wanted == "workflow":
        return Workflow(config)
    return Places(key) if wanted == "places" else Directory(config.leads_directory)

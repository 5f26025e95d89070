"""What a search for leads needs of a source of listings, and which one this installation asks: each is one module of this package."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import Misconfigured
from core.settings import Settings
from pipelines import providers
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


@dataclass(frozen=True, slots=True)
class Price:
    """What whoever is paid takes for a page, and what one search may cost, in thousandths of a dollar."""

    payee: str
    page_mills: int
    search_mills: int


class Listings(Protocol):
    """A source. A module of this package that makes one of the settings by LISTINGS serves those that name the module."""

    @property
    def name(self) -> str:
        """What is kept with what it found."""

    @property
    def provider(self) -> str | None:
        """Whose limits and breakers its calls are under; None when it calls nobody."""

    @property
    def price(self) -> Price | None:
        """None where a page costs nothing."""

    def search(self, query: Query, cursor: str | None) -> Page:
        """One page, whichever instance told the cursor; may be repeated. Raises Unavailable, Refused, Misconfigured."""


def get_listings(config: Settings) -> Listings | Workflow:
    """The source that the settings name. Raises Misconfigured."""
    name = config.leads_provider
    if name == "auto":
        has_url, has_key = config.leads_webhook_url.get_secret_value(), config.google_places_api_key.get_secret_value()
        name = "workflow" if has_url else "places" if has_key else "directory"
    make = _find_maker(name) if name in _list_modules() else None
    if make is None:
        raise Misconfigured(f"LEADS_PROVIDER is {name!r}; there are: {', '.join(list_listings())}")
    return make(config)


def list_listings() -> list[str]:
    """The names of the sources."""
    return [name for name in _list_modules() if _find_maker(name)]


def _list_modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(providers.__path__))


def _find_maker(name: str) -> Callable[[Settings], Listings | Workflow] | None:
    return getattr(importlib.import_module(f"{providers.__name__}.{name}"), "LISTINGS", None)

"""A business as a provider of listings tells of it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listing:
    """What is not known is None. `kinds` are the provider's own words for what the business does."""

    title: str
    place_id: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    phone: str | None = None
    website: str | None = None
    email: str | None = None
    rating: float | None = None
    review_count: int | None = None
    kinds: tuple[str, ...] = ()
    closed: bool = False
    said: dict[str, object] = field(default_factory=dict)  # what the provider has decided itself, by the columns of a lead
    besides: dict[str, object] = field(default_factory=dict)  # what no column holds, for who reads the search's results

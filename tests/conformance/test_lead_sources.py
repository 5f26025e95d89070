"""What every source of listings that is asked page by page has to do; a new one adds its stage to `sources.STAGES`."""

from collections.abc import Iterator

import pytest

from core.errors import Misconfigured, Unavailable
from core.settings import Settings
from pipelines.providers.listings import Listings, Page, Query, get_listings, list_listings
from pipelines.providers.workflow import Workflow
from tests.conformance.sources import STAGES, Stage

NAMES = [f"Größe & Söhne 日本 {number}" for number in range(45)]
QUERY = Query("dowser", "Springfield")
_MOST_PAGES = 20
_ANSWERS_LATER = {"workflow"}


@pytest.fixture(params=list(STAGES))
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with STAGES[request.param](request) as made:
        made.given = {"leads_provider": request.param, **made.given}
        yield made


def source(stage: Stage, **instead: object) -> Listings:
    made = get_listings(stage.settings(**instead))
    assert not isinstance(made, Workflow)
    return made


def read_all(stage: Stage) -> list[Page]:
    """Every page, each asked of a new instance, as after a crash."""
    pages, cursor = [], None
    while len(pages) < _MOST_PAGES:
        pages.append(source(stage).search(QUERY, cursor))
        cursor = pages[-1].next_cursor
        if cursor is None:
            return pages
    raise AssertionError("its pages do not end")


def test_every_source_has_its_stage_here() -> None:
    assert set(list_listings()) - _ANSWERS_LATER == set(STAGES)


def test_each_business_of_the_kind_is_told_once_by_its_name(stage: Stage) -> None:
    stage.put("dowser", NAMES)
    assert sorted(listing.title for page in read_all(stage) for listing in page.listings) == sorted(NAMES)
    assert read_all(stage) == read_all(stage)


def test_what_is_not_known_is_none(stage: Stage) -> None:
    stage.put("dowser", NAMES[:1])
    (listing,) = (listing for page in read_all(stage) for listing in page.listings)
    unknown = (listing.phone, listing.website, listing.email, listing.rating, listing.review_count)
    assert (unknown, listing.closed) == ((None,) * 5, False)
    assert "dowser" in listing.kinds


def test_where_there_is_none_of_the_kind_nothing_is_told(stage: Stage) -> None:
    stage.put("baker", NAMES[:1])
    assert [listing for page in read_all(stage) for listing in page.listings] == []


def test_one_that_cannot_work_says_so_before_anything_is_asked(stage: Stage) -> None:
    with pytest.raises(Misconfigured):
        source(stage, **stage.broken).search(QUERY, None)


def test_one_that_is_away_is_told_by_its_name_and_may_be_asked_again(stage: Stage) -> None:
    assert (source(stage).provider is None) is (stage.away is None)
    stage.put("dowser", NAMES[:1])
    if stage.away:
        stage.away()
        with pytest.raises(Unavailable) as raised:
            source(stage).search(QUERY, None)
        assert raised.value.provider == source(stage).provider
    assert read_all(stage)


def test_what_costs_is_counted_under_a_name(stage: Stage) -> None:
    made = source(stage)
    assert made.price is None or (made.provider and made.price.page_mills > 0)


def test_a_name_that_is_no_source_is_refused_with_those_that_are() -> None:
    with pytest.raises(Misconfigured, match=", ".join(list_listings())):
        get_listings(Settings(leads_provider="base", _env_file=None))

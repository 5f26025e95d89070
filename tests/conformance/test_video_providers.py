"""What every provider that brings videos has to do; a new one adds its place to `places.PLACES`."""

import hashlib
import random
from collections.abc import Iterator

import pytest

from core.errors import Cancelled, Permanent, Refused, Released, Unavailable
from core.storage import FolderStorage
from pipelines.providers.base import Fetched, Wanted, list_video_providers
from tests.conformance.places import PLACES, Place
from tests.pipelines.providers.deliveries import delivery_to

CONTENT = random.Random(9).randbytes(5_300_000)  # more than one block of any hash
LATER = random.Random(10).randbytes(4_000)
_NOT_HERE = {"sample"}


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param](request) as made:
        yield made


def fetch(place: Place, storage: FolderStorage, wanted: Wanted, **given: object) -> Fetched:
    return place.provider.fetch(wanted, delivery_to(storage, token=place.token, **given))


def left(place: Place, storage: FolderStorage) -> set[str]:
    paths = (path.relative_to(storage.root).as_posix() for path in storage.root.rglob("*") if path.is_file())
    return set(paths) - place.keeps


def test_every_provider_has_its_place_here() -> None:
    assert set(list_video_providers()) - _NOT_HERE == set(PLACES)


@pytest.mark.parametrize("content", [CONTENT, b"x", b""], ids=["blocks", "byte", "nothing"])
def test_the_bytes_arrive_as_they_are(place: Place, storage: FolderStorage, content: bytes) -> None:
    wanted = place.put("Größe - 日本 (1).mp4", content)
    fetched = fetch(place, storage, wanted)
    assert storage.local(fetched.key).read_bytes() == content
    assert (fetched.size_bytes, fetched.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert fetch(place, storage, wanted).sha256 == fetched.sha256  # as after a crash before its end was kept


def test_what_was_asked_for_comes_or_nothing_although_the_file_has_changed(place: Place, storage: FolderStorage) -> None:
    wanted = place.put("a.mp4", CONTENT)
    place.put("a.mp4", LATER)
    try:
        fetched = fetch(place, storage, wanted)
    except Refused:
        assert left(place, storage) == set()
    else:
        assert storage.local(fetched.key).read_bytes() == CONTENT


def test_a_file_that_is_gone_is_never_asked_for_again(place: Place, storage: FolderStorage) -> None:
    wanted = place.put("a.mp4", LATER)
    place.remove(wanted)
    place.keeps.clear()
    with pytest.raises(Permanent):
        fetch(place, storage, wanted)
    assert left(place, storage) == set()


def test_a_name_that_misleads_is_refused(place: Place, storage: FolderStorage) -> None:
    wanted = place.put("a.mp4", LATER)
    with pytest.raises(Refused, match="Please"):
        fetch(place, storage, Wanted(wanted.path, "../a\n.mp4", wanted.size_bytes, wanted.version, wanted.revision))


def test_a_place_that_is_away_is_told_by_its_name(place: Place, storage: FolderStorage) -> None:
    assert place.provider.is_outside is (place.away is not None)
    wanted = place.put("a.mp4", LATER)
    if place.away:
        place.away()
        with pytest.raises(Unavailable) as raised:
            fetch(place, storage, wanted)
        assert raised.value.provider in place.provider.__module__
    assert fetch(place, storage, wanted).size_bytes == len(LATER)


def test_one_that_is_cancelled_half_way_leaves_nothing(place: Place, storage: FolderStorage) -> None:
    wanted = place.put("a.mp4", CONTENT)

    def stop(share: float) -> None:
        if share > 0.4:
            raise Cancelled("asked to stop")

    with pytest.raises(Cancelled):
        fetch(place, storage, wanted, progress=stop)
    assert left(place, storage) == set()


def test_one_that_is_put_off_half_way_goes_on(place: Place, storage: FolderStorage) -> None:
    wanted = place.put("a.mp4", CONTENT)

    def put_off(share: float) -> None:
        if share > 0.4:
            raise Released("this worker is stopping")

    with pytest.raises(Released):
        fetch(place, storage, wanted, progress=put_off)
    fetched = fetch(place, storage, wanted)
    assert storage.local(fetched.key).read_bytes() == CONTENT
    if place.away:  # what is asked for over a network is not asked for twice
        first, second = place.ranges()[-2:]
        assert first is None
        assert second is not None
        assert int(second.removeprefix("bytes=").removesuffix("-")) > 0.4 * len(CONTENT)
    assert left(place, storage) - {fetched.key} == set()


def test_bytes_that_the_owner_has_are_not_fetched_again(place: Place, storage: FolderStorage) -> None:
    wanted = place.put("a.mp4", LATER)
    before = len(place.ranges())
    there = Fetched("attempts/other/source", len(LATER), hashlib.sha256(LATER).hexdigest())
    fetched = fetch(place, storage, wanted, known={wanted.version: there}.get)
    assert (fetched.size_bytes, fetched.sha256) == (there.size_bytes, there.sha256)
    if place.away:  # what is on this machine is read there again
        assert (fetched.key, fetched.version) == (there.key, wanted.version)
        assert len(place.ranges()) == before

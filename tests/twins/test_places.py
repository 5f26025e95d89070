from collections.abc import Iterator
from typing import Any

import pytest

from twins.running import Twins

MASK = "places.id,places.displayName.text,nextPageToken"


@pytest.fixture
def places(twins: Twins) -> Iterator[Any]:
    """The official client, and 25 plumbers of whom one has no shop."""
    from googleapiclient.discovery import build

    twins.forget("places")
    for number in range(25):
        record = {
            "name": f"places/p{number}",
            "id": f"p{number}",
            "displayName": {"text": f"Plumber {number}", "languageCode": "en"},
            "formattedAddress": "1 High Street, Springfield",
            "types": ["plumber"],
            "rating": 4.5,
            "userRatingCount": number,
            "businessStatus": "OPERATIONAL",
        }
        alone = {"pureServiceAreaBusiness": True} if number == 7 else {"location": {"latitude": number, "longitude": 1}}
        twins.put("places", f"p{number}", {**record, **alone})
    with build("places", "v1", developerKey="key") as service:
        yield service.places()


def search(places: Any, **body: Any) -> Any:
    return places.searchText(body={"textQuery": "plumber in Springfield", **body}, fields=MASK)


def refusal(call: Any) -> tuple[int, str]:
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as raised:
        call.execute()
    return raised.value.status_code, raised.value.reason


def test_pages_follow_the_token_in_the_body_and_carry_only_the_mask(places: Any) -> None:
    first = search(places).execute()
    assert len(first["places"]) == 20
    assert set(first["places"][0]) == {"id", "displayName"}
    assert first["places"][0]["displayName"] == {"text": "Plumber 0"}
    rest = search(places, pageToken=first["nextPageToken"]).execute()
    assert [place["id"] for place in rest["places"]] == ["p21", "p22", "p23", "p24"]
    assert "nextPageToken" not in rest
    assert refusal(search(places, minRating=4, pageToken=first["nextPageToken"]))[0] == 400
    assert "nextPageToken" not in places.searchText(body={"textQuery": "plumber"}, fields="places.id").execute()


def test_without_a_mask_or_a_key_nothing_is_answered(places: Any) -> None:
    import requests

    assert "FieldMask is a required parameter" in refusal(places.searchText(body={"textQuery": "plumber"}))[1]
    request = places.searchText(body={"textQuery": "plumber"})
    request.headers["X-Goog-FieldMask"] = "places.id"
    assert request.execute()["places"]
    keyless = requests.post("https://places.googleapis.com/v1/places:searchText", json={"textQuery": "x"}, timeout=10)
    assert (keyless.status_code, keyless.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_a_business_without_a_shop_is_found_when_asked_for_and_never_inside_a_rectangle(places: Any) -> None:
    ids = [place["id"] for place in search(places, includePureServiceAreaBusinesses=True).execute()["places"]]
    assert "p7" in ids
    rectangle = {"low": {"latitude": 5, "longitude": 0}, "high": {"latitude": 9, "longitude": 2}}
    inside = search(places, includePureServiceAreaBusinesses=True, locationRestriction={"rectangle": rectangle}).execute()
    assert [place["id"] for place in inside["places"]] == ["p5", "p6", "p8", "p9"]


def test_faults_and_wrong_requests_are_worded_as_the_service_words_them(twins: Twins, places: Any) -> None:
    assert places.get(name="places/p3", fields="id,rating").execute() == {"id": "p3", "rating": 4.5}
    assert refusal(places.get(name="places/gone", fields="id"))[0] == 404
    assert refusal(search(places, colour="red"))[0] == 400
    assert refusal(search(places, pageSize=21))[0] == 400
    for kind, status in (("rate_limit", 429), ("quota", 429), ("unavailable", 503), ("forbidden", 403), ("reset_cursor", 400)):
        twins.fault("places", kind)
        assert refusal(search(places))[0] == status

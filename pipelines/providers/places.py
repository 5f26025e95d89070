"""Listings from Google Places (New), by its official client. Google lets the place id be kept for ever, and not the rest."""

from contextlib import closing
from http import client as http_client
from typing import Any

from core.errors import Misconfigured, Refused, Unavailable
from pipelines.leads.listing import Listing
from pipelines.providers.listings import Page, Query

_PROVIDER = "places"
# Without `nextPageToken` in the mask, paging ends in silence.
_MASK = (
    "nextPageToken,places.id,places.displayName,places.formattedAddress,places.postalAddress,places.nationalPhoneNumber,"
    "places.internationalPhoneNumber,places.websiteUri,places.rating,places.userRatingCount,places.types,places.primaryType,"
    "places.businessStatus"
)
_SECONDS = 20
_BUSY, _ERRORS = {408, 429}, 500
_CLOSED = "CLOSED_PERMANENTLY"


class Places:
    """Text search: twenty a page, sixty in all."""

    name = "places"
    provider = _PROVIDER

    def __init__(self, key: str) -> None:
        if not key:
            raise Misconfigured("GOOGLE_PLACES_API_KEY is not set; without it leads are searched in the directory")
        self._key = key

    def search(self, query: Query, cursor: str | None) -> Page:
        import httplib2
        from googleapiclient.discovery import build
        from googleapiclient.errors import HttpError

        # Plumbers without a shop are left out unless they are asked for. With a page's token all else must be as before.
        body = {"textQuery": f"{query.words} in {query.geo}", "pageSize": 20, "includePureServiceAreaBusinesses": True}
        if cursor:
            body["pageToken"] = cursor
        try:
            with closing(httplib2.Http(timeout=_SECONDS)) as http:
                api = build("places", "v1", developerKey=self._key, http=http, static_discovery=True, cache_discovery=False)
                answer = api.places().searchText(body=body, fields=_MASK).execute()
        except HttpError as error:
            raise _meaning(int(error.resp.status)) from None
        except (OSError, httplib2.HttpLib2Error, http_client.HTTPException) as error:
            raise Unavailable(f"Google Places broke off ({type(error).__name__})", provider=_PROVIDER) from None
        return Page([_listing(place) for place in answer.get("places", [])], answer.get("nextPageToken"))


def _meaning(status: int) -> Exception:
    if status in _BUSY or status >= _ERRORS:
        return Unavailable(f"Google Places answered {status}", provider=_PROVIDER)
    if status in {401, 403}:
        return Misconfigured("Google Places does not accept GOOGLE_PLACES_API_KEY, or its project may not use Places (New)")
    return Refused(f"Google Places refuses the search: {status}")


def _listing(place: dict[str, Any]) -> Listing:
    address = place.get("postalAddress", {})
    kinds = [place["primaryType"]] if "primaryType" in place else []
    return Listing(
        title=place.get("displayName", {}).get("text") or place["id"],
        place_id=place["id"],
        address=", ".join(address.get("addressLines", [])) or place.get("formattedAddress"),
        city=address.get("locality"),
        state=address.get("administrativeArea"),
        zip=address.get("postalCode"),
        phone=place.get("internationalPhoneNumber") or place.get("nationalPhoneNumber"),
        website=place.get("websiteUri"),
        rating=place.get("rating"),
        review_count=place.get("userRatingCount"),
        kinds=tuple(dict.fromkeys((*kinds, *place.get("types", [])))),
        closed=place.get("businessStatus") == _CLOSED,
    )

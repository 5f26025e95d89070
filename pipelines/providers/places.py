"""Listings from Google Places (New), by its official client. Google lets the place id be kept for ever, and not the rest."""

from contextlib import closing
from http import client as http_client
from typing import Any

from core.errors import Misconfigured, Refused, Unavailable
from core.settings import Settings
from pipelines.leads.listing import Listing
from pipelines.providers.areas import Area, Place
from pipelines.providers.listings import Page, Price, Query

_PROVIDER = "places"
# Without `nextPageToken` in the mask, paging ends in silence.
_MASK = (
    "nextPageToken,places.id,places.displayName,places.formattedAddress,places.postalAddress,places.nationalPhoneNumber,"
    "places.internationalPhoneNumber,places.websiteUri,places.rating,places.userRatingCount,places.types,places.primaryType,"
    "places.businessStatus"
)
_AREA_MASK = "places.viewport,places.types"
_REGIONS = {"locality", "postal_code", "sublocality", "neighborhood", "administrative_area_level_2", "political"}
_MOST = 60
_SECONDS = 20
_BUSY, _ERRORS = {408, 429}, 500
_CLOSED = "CLOSED_PERMANENTLY"


class Places:
    """Text search: twenty a page, sixty in all. Where there are sixty, the area is split until each part holds fewer."""

    name = "places"
    provider = _PROVIDER

    def __init__(self, config: Settings) -> None:
        self._key = config.google_places_api_key.get_secret_value()
        if not self._key:
            raise Misconfigured("GOOGLE_PLACES_API_KEY is not set; without it leads are searched in the directory")
        mills = config.places_page_mills
        self.price = Price("Google Places", mills, config.places_search_mills) if mills else None

    def search(self, query: Query, cursor: str | None) -> Page:
        place = Place.read(cursor)
        if place.looks_for_area:
            return self._find_area(query, place)
        # Plumbers without a shop are left out unless they are asked for. With a page's token all else must be as before.
        body: dict[str, Any] = {"pageSize": 20, "includePureServiceAreaBusinesses": True}
        if place.area is None:
            body["textQuery"] = f"{query.words} in {query.geo}"
        else:
            body |= {"textQuery": query.words, "locationRestriction": {"rectangle": _rectangle(place.area)}}
        if place.token:
            body["pageToken"] = place.token
        answer = self._ask(body, _MASK)
        listings = [_listing(each) for each in answer.get("places", [])]
        following = place.after(len(listings), answer.get("nextPageToken"), most=_MOST)
        full = place.full + place.overflows(len(listings), answer.get("nextPageToken"), most=_MOST)
        note = None
        if following is None and full:
            note = f"{full} small areas hold {_MOST} or more of {query.words}: not all of them may be found"
        return Page(listings, following.cursor() if following else None, note)

    def _find_area(self, query: Query, place: Place) -> Page:
        """Where on the map the search is: a page without listings, which costs as one."""
        answer = self._ask({"textQuery": query.geo, "pageSize": 20}, _AREA_MASK)
        known = [each for each in answer.get("places", []) if "viewport" in each]
        named = [each for each in known if _REGIONS & set(each.get("types", ()))]
        if not (named or known):
            return Page(
                [], None, f"{query.geo} is not on the map: of more than {_MOST} {query.words} the first {_MOST} are found"
            )
        low, high = ((named or known)[0]["viewport"][corner] for corner in ("low", "high"))
        following = place.within(Area(low["latitude"], low["longitude"], high["latitude"], high["longitude"]))
        return Page([], following.cursor() if following else None)

    def _ask(self, body: dict[str, Any], mask: str) -> dict[str, Any]:
        import httplib2
        from googleapiclient.discovery import build
        from googleapiclient.errors import HttpError

        try:
            with closing(httplib2.Http(timeout=_SECONDS)) as http:
                api = build("places", "v1", developerKey=self._key, http=http, static_discovery=True, cache_discovery=False)
                answer: dict[str, Any] = api.places().searchText(body=body, fields=mask).execute()
                return answer
        except HttpError as error:
            raise _meaning(int(error.resp.status)) from None
        except (OSError, httplib2.HttpLib2Error, http_client.HTTPException) as error:
            raise Unavailable(f"Google Places broke off ({type(error).__name__})", provider=_PROVIDER) from None


LISTINGS = Places


def _rectangle(area: Area) -> dict[str, Any]:
    return {
        "low": {"latitude": area.south, "longitude": area.west},
        "high": {"latitude": area.north, "longitude": area.east},
    }


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

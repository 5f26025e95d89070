"""The twin of Places (New): text search with its mandatory field mask and pages, and details. Places are records (`places`)."""

import json
import re
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from twins.base import Refused, reply
from twins.faults import Fault
from twins.google.api import Call, GoogleApi
from twins.google.discovery import Discovery, Method
from twins.google.fields import apply_mask, parse_mask
from twins.oauth import Tokens
from twins.store import Record, Store

_PAGE, _MOST_RESULTS = 20, 60
_NOT_OF_THE_QUESTION = {"pageToken", "pageSize", "maxResultCount"}


def _status(code: int, status: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return reply({"error": {"code": code, "message": message, "status": status}}, code, headers=headers)


def _invalid(message: str) -> Refused:
    return Refused(_status(400, "INVALID_ARGUMENT", message))


class Places(GoogleApi):
    """Finds a place where each word of the query occurs in its name, address or types."""

    name = "places"
    hosts = ("places.googleapis.com",)
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "rate_limit": lambda fault: _status(
            429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric.", {"Retry-After": str(fault.retry_after or 1)}
        ),
        "quota": lambda _: _status(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'SearchTextRequest' per day."),
        "unavailable": lambda _: _status(503, "UNAVAILABLE", "The service is currently unavailable."),
        "server_error": lambda _: _status(500, "INTERNAL", "Internal error encountered."),
        "forbidden": lambda _: _status(403, "PERMISSION_DENIED", "Places API (New) has not been used in this project."),
        "reset_cursor": lambda _: _status(400, "INVALID_ARGUMENT", "Request contains an invalid page token."),
    }

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._places = store.table("places")
        handlers = {"places.places.searchText": self._search_text, "places.places.get": self._get}
        super().__init__(Discovery("places", "v1"), store, tokens, handlers, name="places")

    def _let_in(self, request: Request, _method: Method) -> str:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if not key:
            raise Refused(_status(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers. Please use API Key."))
        return key

    def _partial(self, _method: Method, call: Call, done: Record) -> Record:
        """Only what is asked for is answered, and charged: a request that names nothing is refused."""
        wanted = call.text("fields") or call.text("$fields") or call.request.headers.get("x-goog-fieldmask", "")
        if not wanted:
            raise _invalid("FieldMask is a required parameter. See https://cloud.google.com/apis/docs/system-parameters.")
        try:
            masked: Record = apply_mask(parse_mask(wanted.replace(".", "/")), done)
        except ValueError as wrong:
            raise _invalid(str(wrong)) from None
        return masked

    def _search_text(self, call: Call) -> Record:
        asked = call.body
        if not asked.get("textQuery"):
            raise _invalid("Empty text_query.")
        size = asked.get("pageSize") or asked.get("maxResultCount") or _PAGE
        if not 1 <= size <= _PAGE:
            raise _invalid("page_size must be between 1 and 20 inclusive.")
        question = json.dumps({name: asked[name] for name in sorted(asked) if name not in _NOT_OF_THE_QUESTION})
        first = _read_token(asked.get("pageToken", ""), question)
        found = [place for _, place in self._places.rows() if _matches(asked, place)][:_MOST_RESULTS]
        answer: Record = {"places": found[first : first + size]} if found[first:] else {}
        if first + size < len(found):
            answer["nextPageToken"] = json.dumps({"first": first + size, "question": question})
        return answer

    def _get(self, call: Call) -> Record:
        place = self._places.get(call.text("name").removeprefix("places/"))
        if place is None:
            raise Refused(_status(404, "NOT_FOUND", "The Place ID is no longer valid."))
        return place


def _read_token(token: str, question: str) -> int:
    """Where a page begins. Raises Refused where the token belongs to another question."""
    if not token:
        return 0
    try:
        kept = json.loads(token)
    except ValueError:
        raise _invalid("Request contains an invalid page token.") from None
    if kept["question"] != question:
        raise _invalid("All parameters other than page_token, page_size and max_result_count must match the first request.")
    first: int = kept["first"]
    return first


def _matches(asked: Record, place: Record) -> bool:
    if place.get("pureServiceAreaBusiness") and not asked.get("includePureServiceAreaBusinesses"):
        return False
    if asked.get("includedType") and asked.get("strictTypeFiltering") and asked["includedType"] not in place.get("types", ()):
        return False
    if place.get("rating", 0.0) < asked.get("minRating", 0.0):
        return False
    area = asked.get("locationRestriction", {}).get("rectangle")
    if area and not _within(area, place.get("location")):
        return False
    text = f"{place['displayName']['text']} {place.get('formattedAddress', '')} {' '.join(place.get('types', ()))}".casefold()
    return all(word in text for word in re.findall(r"\w+", asked["textQuery"].casefold()) if word not in {"in", "near"})


def _within(area: Record, location: Record | None) -> bool:
    low, high = area["low"], area["high"]
    return location is not None and all(low[axis] <= location[axis] <= high[axis] for axis in ("latitude", "longitude"))

"""One resumable upload: what is sent, and how breaks on the way are got over."""

import http.client
from collections.abc import Callable
from typing import Any

from pipelines.providers.publisher import SessionLost, Upload

_TRIES = 3  # at the same byte, at once; then the step comes again later
_GONE, _BUSY, _ERRORS = {404, 410}, {408, 429}, 500
_LONGEST_TITLE, _LONGEST_DESCRIPTION_BYTES, _LONGEST_TAGS = 100, 5000, 500


def body_of(upload: Upload) -> dict[str, Any]:
    """The video as YouTube takes it: private, within its limits, and with the marker among its tags."""
    plain = str.maketrans({"<": "‹", ">": "›"})  # noqa: RUF001  (YouTube takes neither of the two)
    title = upload.title.translate(plain).strip()[:_LONGEST_TITLE].strip() or "Untitled"
    description = upload.description.translate(plain).encode()[:_LONGEST_DESCRIPTION_BYTES].decode(errors="ignore")
    snippet = {
        "title": title,
        "description": description,
        "tags": [upload.marker, *_fitting(upload.tags, _LONGEST_TAGS - len(upload.marker))],
        "categoryId": upload.category,
        "defaultLanguage": upload.language,
        "defaultAudioLanguage": upload.language,
    }
    status = {"privacyStatus": "private", "selfDeclaredMadeForKids": False, "embeddable": True}
    return {"snippet": snippet, "status": status}


def _fitting(tags: tuple[str, ...], characters: int) -> list[str]:
    """As many as fit: a comma between two counts, and so do the quotes around one with a space."""
    kept = []
    for tag in tags:
        characters -= len(tag) + 1 + 2 * (" " in tag)
        if characters < 0:
            break
        kept.append(tag)
    return kept


def send(request: Any, *, progress: Callable[[float], None]) -> str:  # noqa: ANN401  (the client has no types)
    """Send piece by piece until the video is there; after a break the client asks first how far it is. Raises SessionLost."""
    import httplib2
    from googleapiclient.errors import HttpError

    tries, done_bytes = _TRIES, -1
    while True:
        try:
            # Never num_retries: the client then sends a piece that broke off again without its bytes.
            _, video = request.next_chunk(num_retries=0)
        except HttpError as error:
            status = int(error.resp.status)
            if status in _GONE and request.resumable_uri:
                raise SessionLost("YouTube does not know this upload any more") from None
            if status not in _BUSY and status < _ERRORS:
                raise
            tries -= 1
            if tries == 0 or "retry-after" in error.resp:
                raise
        except (OSError, httplib2.HttpLib2Error, http.client.HTTPException):
            tries -= 1
            if tries == 0 or not request.resumable_uri:
                raise
        else:
            if video is not None:
                return str(video["id"])
            tries = _TRIES if request.resumable_progress > done_bytes else tries - 1
            done_bytes = max(done_bytes, request.resumable_progress)
            progress(min(1.0, done_bytes / max(1, request.resumable.size())))

"""What a person finds who tries the twins by hand: a few invented businesses, and an invented competitor's channel."""

from twins.running import Twins
from twins.store import Record

_SPRINGFIELD = (
    ("Bright Pipes Plumbing", "12 Mill Lane, Springfield", "plumber", 4.7, 182, True),
    ("Corner Plumbing & Heating", "3 Station Road, Springfield", "plumber", 3.9, 41, False),
    ("Maple Street Dental", "80 Maple Street, Springfield", "dentist", 4.9, 310, True),
    ("Riverside Bakery", "1 River Walk, Springfield", "bakery", 4.4, 95, True),
    ("Hilltop Accountants", "44 Hill Road, Springfield", "accounting", 4.1, 12, False),
)

# A reviewer that reads every window to its end and finds nothing: what it leaves unread would make each check an error.
_READS_ALL = {
    "match": r'"unit": \d+, "(heard|shown)"',
    "say": {"findings": [], "addressed_to_reviewer": [], "last_unit_read": {"last": r'"unit": (\d+), "(?:heard|shown)"'}},
}


def put_reviewer(twins: Twins) -> None:
    """Let the twin's model pass for a reviewer of videos that finds nothing."""
    twins.put("openai.answers", "reviewer", _READS_ALL)


def put_samples(twins: Twins) -> None:
    """Put them there, unless places are there already."""
    if twins.records("places"):
        return
    put_reviewer(twins)
    for number, (title, address, kind, rating, ratings, has_site) in enumerate(_SPRINGFIELD):
        place: Record = {
            "name": f"places/twin-{number}",
            "id": f"twin-{number}",
            "displayName": {"text": title, "languageCode": "en"},
            "formattedAddress": address,
            "nationalPhoneNumber": f"(555) 010-{number:04}",
            "types": [kind, "point_of_interest", "establishment"],
            "primaryType": kind,
            "rating": rating,
            "userRatingCount": ratings,
            "businessStatus": "OPERATIONAL",
            "location": {"latitude": 39.8 + number / 100, "longitude": -89.6},
        }
        site = {"websiteUri": f"https://twin-{number}.example/"} if has_site else {}
        twins.put("places", place["id"], {**place, **site})
    twins.put(
        "youtube.channels",
        "UCcompetitor00000000000",
        {
            "kind": "youtube#channel",
            "id": "UCcompetitor00000000000",
            "snippet": {"title": "Corner Plumbing", "customUrl": "@cornerplumbing", "publishedAt": "2024-01-01T00:00:00Z"},
            "contentDetails": {"relatedPlaylists": {"uploads": "UUcompetitor00000000000"}},
            "statistics": {"videoCount": "0", "viewCount": "0", "subscriberCount": "0"},
        },
    )

"""The accounts that videos are published to."""

from core.errors import Refused
from pipelines.providers import google
from pipelines.providers.consent import ask


def _describe(access_token: str) -> dict[str, str | None]:
    known = google.describe(access_token)
    query = {"part": "snippet", "mine": "true"}
    headers = {"Authorization": f"Bearer {access_token}"}
    found = ask("youtube", "GET", "https://www.googleapis.com/youtube/v3/channels", headers=headers, params=query)
    if not found.get("items"):
        raise Refused("This Google account has no YouTube channel. Please make one there, or take another account.")
    channel = found["items"][0]
    return {**known, "channel_id": channel["id"], "account_name": channel["snippet"]["title"]}


# Captions, and showing a private video to others, need force-ssl; uploads alone do not.
ACCOUNT = google.account("youtube", f"{google.SCOPE}youtube.upload", f"{google.SCOPE}youtube.force-ssl", describe=_describe)

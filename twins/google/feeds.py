"""The twin of a YouTube channel's feed: Atom with the newest public videos, as anybody may read it."""

import hashlib
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from twins.faults import Fault
from twins.store import Record, Store

_SHOWN = 15
_FEED, _ROBOTS = "/feeds/videos.xml", "/robots.txt"


class YouTubeFeeds:
    """Of the videos that the twin `youtube` has; others are put there as records (`youtube.videos`)."""

    name = "youtube_feeds"
    hosts = ("www.youtube.com",)
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "rate_limit": lambda fault: PlainTextResponse("", 429, {"Retry-After": str(fault.retry_after or 1)}),
        "unavailable": lambda _: PlainTextResponse("", 503),
        "server_error": lambda _: PlainTextResponse("", 500),
        "not_found": lambda _: PlainTextResponse("", 404),
    }

    def __init__(self, store: Store) -> None:
        self._videos = store.table("youtube.videos")
        self._channels = store.table("youtube.channels")

    def serves(self, path: str) -> bool:
        return path in {_FEED, _ROBOTS}

    async def answer(self, request: Request) -> Response:
        """The feed, or that it is as the asker has it."""
        if request.url.path == _ROBOTS:
            return PlainTextResponse("User-agent: *\nDisallow: /results\n")
        channel = request.query_params.get("channel_id", "")
        videos = self._list(channel)
        if not videos and channel not in self._channels:
            return PlainTextResponse("", 404)
        body = _feed(channel, videos[:_SHOWN])
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(body, media_type="application/atom+xml; charset=utf-8", headers={"ETag": tag})

    def _list(self, channel: str) -> list[Record]:
        """Newest first."""
        found = [row["video"] for _, row in self._videos.rows()]
        public = [
            each for each in found if each["snippet"]["channelId"] == channel and each["status"]["privacyStatus"] == "public"
        ]
        return sorted(public, key=lambda video: str(video["snippet"]["publishedAt"]), reverse=True)


def _feed(channel: str, videos: list[Record]) -> str:
    title = videos[0]["snippet"].get("channelTitle", channel) if videos else channel
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">'
        f"<id>yt:channel:{escape(channel)}</id><title>{escape(title)}</title>{''.join(map(_entry, videos))}</feed>"
    )


def _entry(video: Record) -> str:
    snippet, video_id = video["snippet"], escape(video["id"])
    link = quoteattr(f"https://www.youtube.com/watch?v={video['id']}")
    return (
        f"<entry><id>yt:video:{video_id}</id><yt:videoId>{video_id}</yt:videoId><title>{escape(snippet['title'])}</title>"
        f'<link rel="alternate" href={link}/><published>{escape(snippet["publishedAt"])}</published></entry>'
    )

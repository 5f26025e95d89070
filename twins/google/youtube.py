"""The twin of YouTube's Data API v3: uploads with their processing, channels, playlists of uploads, search, and quotas by the day."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from twins.base import Refused
from twins.faults import Fault
from twins.google import api
from twins.google.api import Call, GoogleApi, error, not_found, refused
from twins.google.discovery import Discovery
from twins.oauth import Tokens
from twins.store import Record, Store

# Units of the day, which ends at midnight in California; uploads and searches have buckets of 100 calls of their own.
_PACIFIC = ZoneInfo("America/Los_Angeles")
_LIMITS = {"insert": 100, "search": 100, "units": 10_000}
_COSTS = {
    "youtube.videos.list": ("units", 1),
    "youtube.videos.update": ("units", 50),
    "youtube.videos.delete": ("units", 50),
    "youtube.channels.list": ("units", 1),
    "youtube.playlistItems.list": ("units", 1),
    "youtube.thumbnails.set": ("units", 50),
    "youtube.captions.insert": ("units", 400),
    "youtube.captions.list": ("units", 50),
    "youtube.videos.insert": ("insert", 1),
    "youtube.search.list": ("search", 1),
}
_LONGEST_TITLE, _LONGEST_DESCRIPTION_BYTES = 100, 5000


class YouTube(GoogleApi):
    """Each account has a channel of its own; channels of others are put there as records (`youtube.channels`)."""

    name = "youtube"
    hosts = ("youtube.googleapis.com", "www.googleapis.com")
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        **api.REFUSALS,
        "quota": lambda _: _quota_exceeded(),
        "upload_limit": lambda _: error(
            400, "uploadLimitExceeded", "The user has exceeded the number of videos.", domain="youtube"
        ),
        "lost_session": lambda _: error(404, "notFound", "Upload session not found"),
    }

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._videos = store.table("youtube.videos")
        self._channels = store.table("youtube.channels")
        self._captions = store.table("youtube.captions")
        self._quota = store.table("youtube.quota")
        handlers: Mapping[str, api.Handler] = {
            "youtube.videos.insert": self._insert,
            "youtube.videos.list": self._list_videos,
            "youtube.videos.update": self._update,
            "youtube.videos.delete": self._delete,
            "youtube.channels.list": self._list_channels,
            "youtube.playlistItems.list": self._list_playlist_items,
            "youtube.search.list": self._search,
            "youtube.thumbnails.set": self._set_thumbnail,
            "youtube.captions.insert": self._insert_captions,
            "youtube.captions.list": self._list_captions,
        }
        paying = {method: _paying(self._pay, *_COSTS[method], handler) for method, handler in handlers.items()}
        super().__init__(Discovery("youtube", "v3"), store, tokens, paying, name="youtube")

    def _pay(self, bucket: str, units: int) -> None:
        """Take units of today. Raises Refused 403 where too few are left."""
        key = f"{datetime.now(_PACIFIC):%Y-%m-%d} {bucket}"
        used = self._quota.get(key, {"used": 0})["used"] + units
        if used > _LIMITS[bucket]:
            raise Refused(_quota_exceeded())
        self._quota[key] = {"used": used}

    def _insert(self, call: Call) -> Record:
        snippet = _checked_snippet(call.body.get("snippet", {}))
        if call.media is None or not call.media.stat().st_size:
            raise refused(400, "mediaBodyRequired", "The request does not include the video content.", domain="youtube")
        channel = self._own_channel(call.account)
        video_id = secrets.token_urlsafe(8)
        digest = hashlib.sha256(call.media.read_bytes()).hexdigest()
        self._store.blob(f"youtube-{video_id}").hardlink_to(call.media)  # an upload that is killed here finds its bytes again
        status = {"privacyStatus": "public", "uploadStatus": "uploaded", "embeddable": True, "license": "youtube"}
        video = {
            "kind": "youtube#video",
            "id": video_id,
            "etag": secrets.token_urlsafe(12),
            "snippet": {
                "publishedAt": _now(),
                "channelId": channel["id"],
                "channelTitle": channel["snippet"]["title"],
                "categoryId": "22",
                "description": "",
                "title": "unknown",
                **snippet,
            },
            "status": {**status, **_checked_status(call.body.get("status", {}))},
            "processingDetails": {"processingStatus": "processing"},
            "fileDetails": {"fileSize": str(self._store.blob(f"youtube-{video_id}").stat().st_size)},
            "statistics": {"viewCount": "0", "likeCount": "0"},
            "contentDetails": {"definition": "hd", "caption": "false"},
        }
        self._videos[video_id] = {"account": call.account, "video": video, "sha256": digest}
        return _parts(video, call.listed("part"))

    def _list_videos(self, call: Call) -> Record:
        """By id; the first look after an upload finds it processed the next time."""
        rows = [(key, kept) for key in call.listed("id") if (kept := self._videos.get(key)) and _visible(kept, call.account)]
        found = [_parts(kept["video"], call.listed("part")) for _, kept in rows]
        for key, kept in rows:
            video = kept["video"]
            if video["status"]["uploadStatus"] == "uploaded":  # what was found is told as it was
                done = {"status": {**video["status"], "uploadStatus": "processed"}}
                processed = {**video, **done, "processingDetails": {"processingStatus": "succeeded"}}
                self._videos[key] = {**kept, "video": processed}
        return {"kind": "youtube#videoListResponse", "items": found, "pageInfo": _page_info(found)}

    def _update(self, call: Call) -> Record:
        """Each named part is replaced as a whole, as the service does."""
        kept = self._own_video(call, call.body.get("id", ""))
        video, parts = kept["video"], call.listed("part")
        if "snippet" in parts:
            snippet = _checked_snippet(call.body.get("snippet", {}))
            if not snippet.get("title") or not snippet.get("categoryId"):
                raise refused(400, "invalidVideoMetadata", "The request metadata specifies invalid video metadata.")
            fixed = {name: video["snippet"][name] for name in ("publishedAt", "channelId", "channelTitle")}
            video["snippet"] = {"description": "", **snippet, **fixed}
        if "status" in parts:
            fixed = {"uploadStatus": video["status"]["uploadStatus"]}
            video["status"] = {"privacyStatus": "public", **_checked_status(call.body.get("status", {})), **fixed}
        self._videos[video["id"]] = kept
        return _parts(video, parts)

    def _delete(self, call: Call) -> Response:
        del self._videos[self._own_video(call, call.text("id"))["video"]["id"]]
        return Response(status_code=204)

    def _set_thumbnail(self, call: Call) -> Record:
        kept = self._own_video(call, call.text("videoId"))
        if call.media is None or not call.media.stat().st_size:
            raise refused(
                400, "mediaBodyRequired", "The request does not include the image content.", domain="youtube.thumbnail"
            )
        kept["thumbnail_sha256"] = hashlib.sha256(call.media.read_bytes()).hexdigest()
        self._videos[call.text("videoId")] = kept
        url = f"https://i.ytimg.com/vi/{call.text('videoId')}/default.jpg"
        return {"kind": "youtube#thumbnailSetResponse", "items": [{"default": {"url": url, "width": 120, "height": 90}}]}

    def _insert_captions(self, call: Call) -> Record:
        """One track for each language and name of a video, as the service has it."""
        snippet = call.body.get("snippet", {})
        self._own_video(call, snippet.get("videoId", ""))
        if not snippet.get("language") or "name" not in snippet or call.media is None:
            raise refused(400, "invalidMetadata", "The request contains invalid metadata values.", domain="youtube.caption")
        key = f"{snippet['videoId']} {snippet['language']} {snippet['name']}"
        if key in self._captions:
            raise refused(409, "captionExists", "The caption track already exists.", domain="youtube.caption")
        made = {"trackKind": "standard", "isDraft": False, "lastUpdated": _now(), "status": "serving", **snippet}
        track = {"kind": "youtube#caption", "id": secrets.token_urlsafe(16), "etag": secrets.token_urlsafe(12), "snippet": made}
        self._captions[key] = {"track": track, "text": call.media.read_text()}
        return _parts(track, call.listed("part"))

    def _list_captions(self, call: Call) -> Record:
        self._own_video(call, call.text("videoId"))
        tracks = [kept["track"] for _, kept in self._captions.rows()]
        items = [_parts(track, call.listed("part")) for track in tracks if track["snippet"]["videoId"] == call.text("videoId")]
        return {"kind": "youtube#captionListResponse", "items": items}

    def _list_channels(self, call: Call) -> Record:
        if call.flag("mine"):
            found = [self._own_channel(call.account)]
        elif call.text("forHandle"):
            handle = f"@{call.text('forHandle').lstrip('@')}".casefold()
            found = [row for _, row in self._channels.rows() if row["snippet"].get("customUrl", "").casefold() == handle]
        else:
            found = [self._channels[key] for key in call.listed("id") if key in self._channels]
        items = [_parts(channel, call.listed("part")) for channel in found]
        return {"kind": "youtube#channelListResponse", "items": items, "pageInfo": _page_info(items)}

    def _list_playlist_items(self, call: Call) -> Record:
        """Of a channel's uploads: newest first."""
        playlist = call.text("playlistId")
        videos = self._visible_videos(call, channel=f"UC{playlist.removeprefix('UU')}")
        if not videos and f"UC{playlist.removeprefix('UU')}" not in self._channels:
            raise refused(
                404, "playlistNotFound", "The playlist identified with the request cannot be found.", domain="youtube"
            )
        items = [
            {
                "kind": "youtube#playlistItem",
                "id": f"{playlist}.{video['id']}",
                "snippet": {
                    **{name: video["snippet"][name] for name in ("publishedAt", "channelId", "title", "description")},
                    "playlistId": playlist,
                    "position": number,
                    "resourceId": {"kind": "youtube#video", "videoId": video["id"]},
                },
                "contentDetails": {"videoId": video["id"], "videoPublishedAt": video["snippet"]["publishedAt"]},
                "status": {"privacyStatus": video["status"]["privacyStatus"]},
            }
            for number, video in enumerate(videos)
        ]
        return _page(call, "youtube#playlistItemListResponse", [_parts(item, call.listed("part")) for item in items])

    def _search(self, call: Call) -> Record:
        words = call.text("q").casefold().split()
        items = [
            {
                "kind": "youtube#searchResult",
                "id": {"kind": "youtube#video", "videoId": video["id"]},
                "snippet": {name: video["snippet"][name] for name in ("publishedAt", "channelId", "title", "description")},
            }
            for video in self._visible_videos(call, channel=call.text("channelId"), mine=call.flag("forMine"))
            if all(word in f"{video['snippet']['title']} {video['snippet']['description']}".casefold() for word in words)
        ]
        return _page(call, "youtube#searchListResponse", items, default_size=5)

    def _visible_videos(self, call: Call, *, channel: str = "", mine: bool = False) -> list[Record]:
        """Newest first."""
        rows = [kept for _, kept in reversed(self._videos.rows()) if _visible(kept, call.account)]
        return [
            kept["video"]
            for kept in rows
            if (not channel or kept["video"]["snippet"]["channelId"] == channel)
            and (not mine or kept["account"] == call.account)
        ]

    def _own_video(self, call: Call, video_id: str) -> Record:
        kept = self._videos.get(video_id)
        if kept is None:
            raise not_found("Video", video_id)
        if kept["account"] != call.account:
            raise refused(403, "forbidden", "The video is another channel's.", domain="youtube")
        return kept

    def _own_channel(self, account: str) -> Record:
        """The account's channel, made at its first use."""
        key = hashlib.sha256(account.encode()).hexdigest()[:22]
        if f"UC{key}" not in self._channels:
            self._channels[f"UC{key}"] = {
                "kind": "youtube#channel",
                "id": f"UC{key}",
                "snippet": {"title": account, "customUrl": f"@{key}", "publishedAt": _now()},
                "contentDetails": {"relatedPlaylists": {"uploads": f"UU{key}"}},
                "statistics": {"videoCount": "0", "viewCount": "0", "subscriberCount": "0"},
            }
        return self._channels[f"UC{key}"]


def _paying(pay: Callable[[str, int], None], bucket: str, units: int, handler: api.Handler) -> api.Handler:
    """A handler whose calls count, also those that end in an error."""

    def paid(call: Call) -> Record | Response:
        pay(bucket, units)
        return handler(call)

    return paid


def _quota_exceeded() -> Response:
    words = "The request cannot be completed because you have exceeded your quota."
    return error(403, "quotaExceeded", words, domain="youtube.quota")


def _visible(kept: Record, account: str) -> bool:
    is_public: bool = kept["video"]["status"]["privacyStatus"] == "public"
    return is_public or kept["account"] == account


def _checked_snippet(snippet: Record) -> Record:
    title, description = snippet.get("title", ""), snippet.get("description", "")
    if len(title) > _LONGEST_TITLE or set("<>") & set(title):
        raise refused(400, "invalidTitle", "The request metadata specifies an invalid video title.", domain="youtube.video")
    if len(description.encode()) > _LONGEST_DESCRIPTION_BYTES or set("<>") & set(description):
        raise refused(
            400, "invalidDescription", "The request metadata specifies an invalid description.", domain="youtube.video"
        )
    return snippet


def _checked_status(status: Record) -> Record:
    if "publishAt" in status and status.get("privacyStatus") != "private":
        raise refused(400, "invalidPublishAt", "A video that is to be published later must be private.", domain="youtube.video")
    return status


def _parts(resource: Record, parts: list[str]) -> Record:
    """What a request's `part` leaves of a resource."""
    return {name: value for name, value in resource.items() if name in {"kind", "id", "etag", *parts}}


def _page(call: Call, kind: str, items: list[Record], *, default_size: int = 5) -> Record:
    token = call.text("pageToken", "0")
    if not token.isdigit():
        raise refused(400, "invalidPageToken", "The request specifies an invalid page token.", domain="youtube")
    first, size = int(token), call.number("maxResults", default_size)
    answer: dict[str, Any] = {"kind": kind, "items": items[first : first + size], "pageInfo": _page_info(items)}
    if first + size < len(items):
        answer["nextPageToken"] = str(first + size)
    return answer


def _page_info(items: list[Record]) -> Record:
    return {"totalResults": len(items), "resultsPerPage": len(items)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

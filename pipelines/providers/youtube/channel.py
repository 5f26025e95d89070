"""One account's channel: calls of the Data API v3, each paid for before it is made."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.errors import NotFound
from db.base.videos import Privacy
from pipelines.providers.publisher import SessionLost, Shown, Upload
from pipelines.providers.youtube.errors import PROVIDER, meaning, translated
from pipelines.providers.youtube.session import body_of, send

SECONDS = 30  # a step cannot be stopped while a call takes longer
_TOKEN_LIFETIME = timedelta(minutes=50)  # of an hour
_PAGES, _PAGE = 4, 50  # of the newest uploads, that are looked through for a marker
_DONE, _MORE, _GONE = {200, 201}, 308, {404, 410}
_FAILED = {"failed", "rejected", "deleted"}
_CAPTION_EXISTS = 409


class YouTube:
    """The channel of whom `token` speaks for; `spend` takes units from the budget of that name, and may raise.

    `token` gets a token that was refused, or None, and returns one; it raises Refused where the owner took the permission back.
    One of these belongs to one thread: the client's connections cannot be shared.
    """

    name = PROVIDER

    def __init__(
        self, token: Callable[[str | None], str], *, spend: Callable[[str, int], object], chunk_bytes: int = 4 << 20
    ) -> None:
        self._token = token
        self._spend = spend
        self._chunk_bytes = chunk_bytes
        self._credentials: Any = None  # made at the first call

    def find(self, marker: str) -> str | None:
        with self._client("looking for the upload") as api:
            self._spend(PROVIDER, 1)
            mine = api.channels().list(part="contentDetails", mine=True).execute().get("items", [])
            if not mine:
                return None
            playlist, token = mine[0]["contentDetails"]["relatedPlaylists"]["uploads"], None
            for _ in range(_PAGES):
                self._spend(PROVIDER, 2)
                asked = {"part": "contentDetails", "playlistId": playlist, "maxResults": _PAGE, "pageToken": token}
                page = self._page(api, asked)
                ids = ",".join(item["contentDetails"]["videoId"] for item in page.get("items", []))
                found = api.videos().list(part="snippet", id=ids).execute().get("items", []) if ids else []
                for video in found:
                    if marker in video["snippet"].get("tags", ()):
                        return str(video["id"])
                token = page.get("nextPageToken")
                if token is None:
                    break
        return None

    def _page(self, api: Any, asked: dict[str, Any]) -> Any:  # noqa: ANN401  (the client has no types)
        """A page of uploads; a channel that never had one has no such playlist."""
        from googleapiclient.errors import HttpError

        try:
            return api.playlistItems().list(**asked).execute()
        except HttpError as error:
            if error.resp.status in _GONE:
                return {}
            raise

    def ask(self, address: str, size_bytes: int) -> str | None:
        from googleapiclient.errors import HttpError

        headers = {"Content-Range": f"bytes */{size_bytes}", "Content-Length": "0"}
        with translated("asking how far the upload is"), closing(self._http(None)) as http:
            answer, content = http.request(address, "PUT", headers=headers)
            status = int(answer.status)
            if status in _DONE:
                return str(json.loads(content)["id"])
            if status == _MORE:
                return None
            if status in _GONE:
                raise SessionLost("YouTube does not know this upload any more")
            raise meaning(HttpError(answer, content), "asking how far the upload is")

    def send(
        self, upload: Upload, address: str | None, *, keep: Callable[[str], None], progress: Callable[[float], None]
    ) -> str:
        with self._client("uploading", keep) as api:
            # No subscriber is told, and nobody sees it: what is left out would make it public.
            request = api.videos().insert(
                part="snippet,status",
                notifySubscribers=False,
                body=body_of(upload),
                media_body=_media(upload, self._chunk_bytes),
            )
            if address is None:
                self._spend(f"{PROVIDER}.insert", 1)
            else:
                request.resumable_uri, request._in_error_state = address, True  # noqa: SLF001  (asks first how far it is)
            return send(request, progress=progress)

    def look(self, video_id: str) -> Shown:
        video = self._read(video_id)
        status, details = video["status"], video.get("fileDetails", {})
        words = status.get("failureReason") or status.get("rejectionReason") or status["uploadStatus"]
        return Shown(
            video_id,
            f"https://www.youtube.com/watch?v={video_id}",
            video["snippet"]["channelId"],
            Privacy(status["privacyStatus"]),
            int(details["fileSize"]) if "fileSize" in details else None,
            status["uploadStatus"] == "processed",
            f"YouTube could not take the video: {words}" if status["uploadStatus"] in _FAILED else None,
        )

    def set_privacy(self, video_id: str, privacy: Privacy) -> None:
        status = self._read(video_id)["status"]
        # The part is replaced as a whole: what is not sent again falls back to YouTube's defaults.
        kept = ("embeddable", "license", "publicStatsViewable", "selfDeclaredMadeForKids", "containsSyntheticMedia")
        wanted = {name: status[name] for name in kept if name in status} | {"privacyStatus": privacy.value}
        with self._client("changing who may see it") as api:
            self._spend(PROVIDER, 50)
            api.videos().update(part="status", body={"id": video_id, "status": wanted}).execute()

    def set_thumbnail(self, video_id: str, picture: Path) -> None:
        from googleapiclient.http import MediaFileUpload

        kind = "image/png" if picture.suffix == ".png" else "image/jpeg"
        with self._client("setting the thumbnail") as api:
            self._spend(PROVIDER, 50)
            api.thumbnails().set(videoId=video_id, media_body=MediaFileUpload(str(picture), kind)).execute()

    def add_captions(self, video_id: str, language: str, subrip: str) -> None:
        from googleapiclient.errors import HttpError
        from googleapiclient.http import MediaInMemoryUpload

        snippet = {"videoId": video_id, "language": language, "name": "", "isDraft": False}
        media = MediaInMemoryUpload(subrip.encode(), "application/octet-stream")
        with self._client("adding captions") as api:
            self._spend(PROVIDER, 400)
            try:
                api.captions().insert(part="snippet", body={"snippet": snippet}, media_body=media).execute()
            except HttpError as error:
                if error.resp.status != _CAPTION_EXISTS:
                    raise

    def _read(self, video_id: str) -> Any:  # noqa: ANN401  (a resource)
        with self._client("reading the video back") as api:
            self._spend(PROVIDER, 1)
            asked = api.videos().list(part="snippet,status,fileDetails", id=video_id).execute()
        if not asked.get("items"):
            raise NotFound(f"YouTube does not have video {video_id} any more")
        return asked["items"][0]

    @contextmanager
    def _client(self, deed: str, keep: Callable[[str], None] | None = None) -> Iterator[Any]:
        """The API for one call or a few; errors within are ours."""
        from googleapiclient.discovery import build

        with closing(self._http(keep)) as http, translated(deed):
            yield build("youtube", "v3", http=http, cache_discovery=False)

    def _http(self, keep: Callable[[str], None] | None) -> Any:  # noqa: ANN401
        from google.oauth2.credentials import Credentials
        from google_auth_httplib2 import AuthorizedHttp
        from googleapiclient.http import build_http

        http = build_http()  # httplib2's own takes the answer 308 for a redirection
        http.timeout = SECONDS
        if self._credentials is None:
            self._credentials = Credentials(None, refresh_handler=self._refresh)  # type: ignore[no-untyped-call]
        authorised = AuthorizedHttp(self._credentials, http=http)
        return authorised if keep is None else _Noting(authorised, keep)

    def _refresh(self, _request: object, scopes: object = None) -> tuple[str, datetime]:  # noqa: ARG002  (google-auth's)
        credentials = self._credentials
        was_refused = credentials.token is not None and not credentials.expired
        token = self._token(credentials.token if was_refused else None)
        return token, datetime.now(UTC).replace(tzinfo=None) + _TOKEN_LIFETIME


def _media(upload: Upload, chunk_bytes: int) -> Any:  # noqa: ANN401
    from googleapiclient.http import MediaFileUpload

    class Chunks(MediaFileUpload):  # type: ignore[misc]
        """Pieces as bytes: a stream would be empty when httplib2 or google-auth send it a second time (testbeds.md §1.4)."""

        def has_stream(self) -> bool:
            return False

    return Chunks(str(upload.path), "video/mp4", chunksize=chunk_bytes, resumable=True)


class _Noting:
    """Tells the address of an upload that begins before its first byte is sent."""

    def __init__(self, http: Any, keep: Callable[[str], None]) -> None:  # noqa: ANN401
        self._http = http
        self._keep = keep

    def request(self, uri: str, method: str = "GET", **rest: Any) -> tuple[Any, bytes]:  # noqa: ANN401
        answer, content = self._http.request(uri, method=method, **rest)
        if method == "POST" and int(answer.status) in _DONE and "location" in answer:
            self._keep(answer["location"])
        return answer, content

    def close(self) -> None:
        self._http.close()

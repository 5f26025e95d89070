"""What each Dropbox route does."""

import asyncio
import base64
import binascii
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from dropbox import common, files, users, users_common
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from twins.base import reply
from twins.dropbox.routes import (
    Call,
    Handler,
    RouteError,
    bad_request,
    find_route,
    read_argument,
    result_text,
    route_error,
    tagged_error,
)
from twins.dropbox.tree import Tree, metadata
from twins.dropbox.uploads import Uploads
from twins.dropbox.webhooks import Webhooks
from twins.faults import Fault
from twins.oauth import Tokens, bearer
from twins.store import Record, Store

ACCOUNT = "owner@example.com"
_LONGEST_PAGE = 2000
_OAUTH = ("/oauth2/", "/1/oauth2/")  # the second is the first's older address, which other clients still use


def _rate_limit(fault: Fault) -> Response:
    wait = 1 if fault.retry_after is None else fault.retry_after
    error = {"reason": {".tag": "too_many_requests"}, "retry_after": wait}
    return reply({"error_summary": "too_many_requests/..", "error": error}, 429, headers={"Retry-After": str(wait)})


def _at_path(reason: str) -> Callable[[Fault], Response]:
    return lambda _: tagged_error({".tag": "path", "path": {".tag": reason}}, 409)


class _RangedFile(FileResponse):
    """Heeds Range also where the method is POST, as Dropbox's downloads are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__({**scope, "method": "GET"}, receive, send)


class Dropbox:
    """Each account has a tree of its own."""

    name = "dropbox"
    hosts = ("api.dropboxapi.com", "content.dropboxapi.com", "notify.dropboxapi.com", "www.dropbox.com", "api.dropbox.com")
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "rate_limit": _rate_limit,
        "unavailable": lambda _: PlainTextResponse("Service Unavailable", 503),
        "server_error": lambda _: PlainTextResponse("Internal Server Error", 500),
        "expired_token": lambda _: tagged_error({".tag": "expired_access_token"}, 401),
        "missing_scope": lambda _: tagged_error({".tag": "missing_scope", "required_scope": "files.content.read"}, 401),
        "revoked": lambda _: reply({"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"}, 400),
        "reset_cursor": lambda _: tagged_error({".tag": "reset"}, 409),
        "not_found": _at_path("not_found"),
        "forbidden": _at_path("restricted_content"),
        "quota": lambda _: tagged_error(
            {".tag": "path", "reason": {".tag": "insufficient_space"}, "upload_session_id": "none"}, 409
        ),
    }

    def __init__(self, store: Store, tokens: Tokens, webhooks: Webhooks) -> None:
        self._store = store
        self._tokens = tokens
        self._tree = Tree(store)
        self._webhooks = webhooks
        self._changed = asyncio.Event()
        uploads = Uploads(store, self._tree)
        self._handlers: Mapping[str, Handler] = {
            "users/get_current_account": _get_current_account,
            "users/get_space_usage": lambda _: users.SpaceUsage(
                used=0, allocation=users.SpaceAllocation.individual(users.IndividualSpaceAllocation(allocated=2 << 30))
            ),
            "auth/token/revoke": lambda call: self._tokens.revoke(bearer(call.request)) and None,
            "files/list_folder": self._list_folder,
            "files/list_folder/continue": self._continue,
            "files/list_folder/get_latest_cursor": self._latest_cursor,
            "files/list_folder/longpoll": self._longpoll,
            "files/get_metadata": lambda call: metadata(self._find(call, call.argument.path, files.GetMetadataError.path)),
            "files/search_v2": self._search,
            "files/get_temporary_link": self._link,
            "files/download": self._download,
            "files/create_folder_v2": self._create_folder,
            "files/delete_v2": self._delete,
            "files/move_v2": self._move,
            "files/upload": uploads.upload,
            "files/upload_session/start": uploads.start,
            "files/upload_session/append_v2": uploads.append,
            "files/upload_session/finish": uploads.finish,
        }

    def serves(self, path: str) -> bool:
        return path.startswith(("/2/", *_OAUTH))

    async def answer(self, request: Request) -> Response:
        if request.url.path.startswith(_OAUTH):
            return await self._oauth(request)
        found = find_route(request.url.path)
        if found is None:
            return bad_request(request.url.path, "Unknown API function")
        name, route = found
        account = ""
        if route.attrs["auth"] != "noauth":
            grant = self._tokens.find(bearer(request))
            if grant is None:
                known = bearer(request).startswith("access-")
                return tagged_error({".tag": "expired_access_token" if known else "invalid_access_token"}, 401)
            account = grant.account
        content = await request.body()
        argument = read_argument(name, route, request, content)
        if name not in self._handlers:
            return bad_request(name, "the twin does not know it")
        return await self._run(route, name, Call(request, argument, account, content))

    async def _run(self, route: Any, name: str, call: Call) -> Response:  # noqa: ANN401  of the SDK
        before = self._tree.latest_change()
        try:
            with self._store.whole():
                done = self._handlers[name](call)
            result = await done if inspect.isawaitable(done) else done
        except RouteError as ended:
            return route_error(route, ended.error)
        finally:
            if self._tree.latest_change() > before:
                self._changed.set()
                self._changed = asyncio.Event()
                self._webhooks.tell(account_id(call.account))
        text = result_text(route, result)
        if route.attrs["style"] == "download":
            headers = {"Dropbox-API-Result": text, "Original-Content-Length": str(result.size)}
            return _RangedFile(self._tree.blob(result.rev), media_type="application/octet-stream", headers=headers)
        return Response(text, media_type="application/json")

    async def _oauth(self, request: Request) -> Response:
        match request.url.path.removeprefix("/1"):
            case "/oauth2/authorize":
                return self._tokens.consent(request, account=ACCOUNT)
            case "/oauth2/token":
                given = self._tokens.exchange({name: str(value) for name, value in (await request.form()).items()})
                grant = self._tokens.find(given["access_token"])
                assert grant is not None  # noqa: S101  it was made just now
                return reply({**given, "uid": "1", "account_id": account_id(grant.account)})
            case path:
                return PlainTextResponse(f"there is no {path}", 404)

    def _list_folder(self, call: Call) -> Any:  # noqa: ANN401
        asked = call.argument
        if asked.path:
            folder = self._find(call, asked.path, files.ListFolderError.path)
            if folder["tag"] != "folder":
                raise RouteError(files.ListFolderError.path(files.LookupError.not_folder))
            asked.path = folder["path_lower"]
        cursor = {
            "path": asked.path,
            "recursive": asked.recursive,
            "limit": asked.limit or _LONGEST_PAGE,
            "after": "",
            "seen": self._tree.latest_change(),
        }
        return self._page(call.account, cursor)

    def _continue(self, call: Call) -> Any:  # noqa: ANN401
        return self._page(call.account, _read_cursor(call.argument.cursor, files.ListFolderContinueError.reset))

    def _page(self, account: str, cursor: Record) -> Any:  # noqa: ANN401
        """What is listed after the cursor's place; once all is, what has changed since the listing began."""
        recursive, limit = cursor["recursive"], cursor["limit"]
        if cursor["after"] is not None:
            entries = [
                entry
                for entry in self._tree.under(account, cursor["path"], recursive=recursive)
                if entry["path_lower"] > cursor["after"]
            ]
            more = len(entries) > limit
            cursor["after"] = entries[limit - 1]["path_lower"] if more else None
        else:
            rows = self._tree.changes(account, cursor["path"], cursor["seen"], recursive=recursive)
            entries = [row for _, row in rows]
            more = len(rows) > limit
            cursor["seen"] = rows[limit - 1][0] if more else self._tree.latest_change()
        listed = [metadata(entry) for entry in entries[:limit]]
        return files.ListFolderResult(entries=listed, cursor=_cursor(cursor), has_more=more)

    def _latest_cursor(self, call: Call) -> Any:  # noqa: ANN401
        asked = call.argument
        cursor = {
            "path": asked.path.lower(),
            "recursive": asked.recursive,
            "limit": asked.limit or _LONGEST_PAGE,
            "after": None,
        }
        text = _cursor({**cursor, "seen": self._tree.latest_change(), "account": call.account})
        return files.ListFolderGetLatestCursorResult(cursor=text)

    async def _longpoll(self, call: Call) -> Any:  # noqa: ANN401
        """Wait until something changes anywhere, which the cursor's place may or may not show: so does the service."""
        cursor = _read_cursor(call.argument.cursor, files.ListFolderLongpollError.reset)
        changed = self._tree.latest_change() > cursor["seen"]
        if not changed:
            try:
                await asyncio.wait_for(self._changed.wait(), call.argument.timeout)
                changed = True
            except TimeoutError:
                pass
        return files.ListFolderLongpollResult(changes=changed)

    def _search(self, call: Call) -> Any:  # noqa: ANN401
        folder = call.argument.options.path if call.argument.options and call.argument.options.path else ""
        words = call.argument.query.casefold().split()
        found = [
            files.SearchMatchV2(metadata=files.MetadataV2.metadata(metadata(entry)))
            for entry in self._tree.under(call.account, folder, recursive=True)
            if all(word in entry["name"].casefold() for word in words)
        ]
        return files.SearchV2Result(matches=found, has_more=False)

    def _link(self, call: Call) -> Any:  # noqa: ANN401
        entry = self._find(call, call.argument.path, files.GetTemporaryLinkError.path)
        if entry["tag"] != "file":
            raise RouteError(files.GetTemporaryLinkError.path(files.LookupError.not_file))
        link = f"https://uc0.dl.dropboxusercontent.com/cd/0/get/{entry['rev']}"  # nobody serves it
        return files.GetTemporaryLinkResult(metadata=metadata(entry), link=link)

    def _download(self, call: Call) -> Any:  # noqa: ANN401
        entry = self._find(call, call.argument.path, files.DownloadError.path)
        if entry["tag"] != "file":
            raise RouteError(files.DownloadError.path(files.LookupError.not_file))
        return metadata(entry)

    def _create_folder(self, call: Call) -> Any:  # noqa: ANN401
        if self._tree.find(call.account, call.argument.path) is not None:
            conflict = files.WriteError.conflict(files.WriteConflictError.folder)
            raise RouteError(files.CreateFolderError.path(conflict))
        return files.CreateFolderResult(metadata=metadata(self._tree.make_folder(call.account, call.argument.path) or {}))

    def _delete(self, call: Call) -> Any:  # noqa: ANN401
        entry = self._find(call, call.argument.path, files.DeleteError.path_lookup)
        self._tree.remove(call.account, entry)
        return files.DeleteResult(metadata=metadata(entry))

    def _move(self, call: Call) -> Any:  # noqa: ANN401
        entry = self._find(call, call.argument.from_path, files.RelocationError.from_lookup)
        if self._tree.find(call.account, call.argument.to_path) is not None:
            raise RouteError(files.RelocationError.to(files.WriteError.conflict(files.WriteConflictError.file)))
        return files.RelocationResult(metadata=metadata(self._tree.move(call.account, entry, call.argument.to_path)))

    def _find(self, call: Call, path: str, error: Callable[[Any], Any]) -> Record:
        """The entry at a path. Raises RouteError with the route's own `not_found`."""
        entry = self._tree.find(call.account, path)
        if entry is None:
            raise RouteError(error(files.LookupError.not_found))
        return entry


def account_id(account: str) -> str:
    """Dropbox's id of an account, always the same."""
    return f"dbid:{base64.urlsafe_b64encode(hashlib.sha256(account.encode()).digest()).decode()[:35]}"


def _get_current_account(call: Call) -> Any:  # noqa: ANN401
    name = call.account.partition("@")[0]
    return users.FullAccount(
        account_id=account_id(call.account),
        name=users.Name(given_name=name, surname=name, familiar_name=name, display_name=name, abbreviated_name=name[:2]),
        email=call.account,
        email_verified=True,
        disabled=False,
        locale="en",
        referral_link="https://www.dropbox.com/referrals/twin",
        is_paired=False,
        account_type=users_common.AccountType.basic,
        root_info=common.UserRootInfo(root_namespace_id="1", home_namespace_id="1"),
    )


def _cursor(place: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_cursor(text: str, reset: object) -> Record:
    """Raises RouteError `reset`: a cursor that cannot be read is one from before a reset."""
    try:
        place: Record = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, binascii.Error):
        raise RouteError(reset) from None
    return place

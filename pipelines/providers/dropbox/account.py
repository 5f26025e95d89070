"""Accounts of Dropbox."""

import httpx

from pipelines.providers.consent import TIMEOUT_SECONDS, Service, ask

_API = "https://api.dropboxapi.com"


def _sent(access_token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"}


def _describe(access_token: str) -> dict[str, str | None]:
    url = f"{_API}/2/users/get_current_account"
    said = ask("dropbox", "POST", url, headers=_sent(access_token), content=b"null")
    return {"account_id": said["account_id"], "account_email": said["email"], "account_name": said["name"]["display_name"]}


def _revoke(access_token: str | None, _refresh_token: str | None) -> bool:
    url = f"{_API}/2/auth/token/revoke"
    return httpx.post(url, headers=_sent(access_token), content=b"null", timeout=TIMEOUT_SECONDS).is_success


ACCOUNT = Service(
    "dropbox",
    "https://www.dropbox.com/oauth2/authorize",
    f"{_API}/oauth2/token",
    ("account_info.read", "files.metadata.read", "files.content.read"),
    _describe,
    _revoke,
    ("dropbox_app_key", "dropbox_app_secret"),
    {"token_access_type": "offline"},
)

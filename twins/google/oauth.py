"""The twin of Google's OAuth: consent, tokens, revocation, user info."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from twins.base import reply
from twins.faults import Fault
from twins.oauth import Tokens, bearer

ACCOUNT = "owner@example.com"


class GoogleOAuth:
    """Serves every account; who asks with no `login_hint` is the default one."""

    name = "google_oauth"
    hosts = ("oauth2.googleapis.com", "accounts.google.com", "openidconnect.googleapis.com")
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "unavailable": lambda _: reply({"error": "internal_failure"}, 503),
        "server_error": lambda _: reply({"error": "internal_failure"}, 500),
        "revoked": lambda _: reply({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, 400),
    }

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def serves(self, path: str) -> bool:
        return path in {"/token", "/revoke", "/o/oauth2/auth", "/o/oauth2/v2/auth", "/v1/userinfo"}

    async def answer(self, request: Request) -> Response:
        match request.url.path:
            case "/token":
                return reply(self._tokens.exchange({name: str(value) for name, value in (await request.form()).items()}))
            case "/revoke":
                token = request.query_params.get("token") or str((await request.form()).get("token", ""))
                return reply({}) if self._tokens.revoke(token) else reply({"error": "invalid_token"}, 400)
            case "/v1/userinfo":
                grant = self._tokens.find(bearer(request))
                if grant is None:
                    return reply({"error": "invalid_request", "error_description": "Invalid Credentials"}, 401)
                return reply({"sub": grant.account, "email": grant.account, "email_verified": True})
            case _:
                return self._tokens.consent(request, account=ACCOUNT)

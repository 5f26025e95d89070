"""What a browser carries while it is at another service, and where that service sends it back to."""

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from core.settings import Settings

_BACK = "askstephen_sign_in"
_SECONDS = 600
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def origin(request: Request, config: Settings) -> str:
    """This installation's own address. Raises HTTP 503 where it is not set: the Host header is anybody's to write."""
    if config.public_url:
        return config.public_url.rstrip("/")
    if config.local_mode:  # the guard lets loopback names through only
        return str(request.base_url).rstrip("/")
    raise HTTPException(503, "PUBLIC_URL is not set: other services cannot send anybody back here.")


def mark(answer: Response, browser: str, *, secure: bool) -> None:
    """Let this browser be known when it comes back."""
    # Lax: it comes back by a link of another site.
    answer.set_cookie(_BACK, browser, max_age=_SECONDS, httponly=True, samesite="lax", secure=secure, path="/")


def read_mark(request: Request) -> str:
    """What `mark` gave this browser; empty without."""
    return request.cookies.get(_BACK, "")


def is_same_origin(request: Request) -> bool:
    """Whether one of our own pages, or nobody's, sent this; another site's page sends cookies along too."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin" or (site == "none" and request.method in SAFE_METHODS)
    sender = request.headers.get("origin")
    if sender is None:
        return request.method in SAFE_METHODS
    return sender.partition("://")[2] == request.headers.get("host")

"""Posts to a server that counts, through the ledger of effects; its worker may be killed on the way."""

import json
import os
import signal
import urllib.error
import urllib.request
from dataclasses import dataclass

from core.errors import Refused
from pipelines.base import Pipeline, step
from pipelines.context import Context


@dataclass(frozen=True, slots=True)
class PostOnce:
    """Where to, and when the first attempt dies: `before` the call, or `during` it, by the server's hand."""

    url: str
    key: str = "video:1"
    dies: str = ""


@step(queue="io")
def post(ctx: Context) -> object:
    """Returns what the server answered."""
    url, key = f"{ctx.args['url']}/{ctx.args['key']}", ctx.args["key"]

    def make() -> object:
        dies = ctx.args["dies"] if not ctx.last_checkpoint else ""
        ctx.checkpoint({"tried": True})
        if dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        headers = {"Kill": str(os.getpid())} if dies == "during" else {}
        return send(urllib.request.Request(url, b"{}", headers))

    return ctx.effect("test.post", key=key, make=make, find=lambda: find(url), request={"url": url})


def find(url: str) -> object | None:
    """What the server answered to a post of this key, if there was one."""
    try:
        return send(urllib.request.Request(url))
    except Refused:
        return None


def send(request: urllib.request.Request) -> object:
    """The server's JSON. Raises Refused where it says no."""
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        raise Refused(f"the server answered {error.code}") from None


PIPELINE = Pipeline("post_once", PostOnce, (post,))

"""Twins from outside: start their process, kill it, command faults, and the environment under which unmodified programs meet them."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from core.errors import Misconfigured
from twins.address import read_address

_START_SECONDS = 60
_AUTHORITY_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPLIB2_CA_CERTS", "NODE_EXTRA_CA_CERTS")


class Twins:
    """The twins of a home, as their own process."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it serves. Raises Misconfigured."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "twins.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "twins", "--with-parent", "--home", str(self.home)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[1],
            )
        deadline = time.monotonic() + _START_SECONDS
        while read_address(self.home).pid != self._process.pid:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Misconfigured(
                    f"the twins did not start, or others run on this home already; see {self.home / 'twins.log'}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As kill -9 does; `start` then goes on from what they had been told, at the same address."""
        self._end(signal.SIGKILL)

    def wait(self) -> int:
        """Wait until the process ends by itself or by a signal; its exit status."""
        return self._process.wait() if self._process else 0

    def environment(self) -> dict[str, str]:
        """What a program must find in its environment, before it starts, to meet the twins."""
        proxy = f"http://127.0.0.1:{read_address(self.home).proxy_port}"
        bundle = str(self.home / "bundle.pem")
        local = "127.0.0.1,localhost"
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": local,
            "no_proxy": local,
            **dict.fromkeys(_AUTHORITY_VARIABLES, bundle),
        }

    def fault(
        self,
        twin: str,
        kind: str,
        *,
        times: int = 1,
        match: str = "",
        seconds: float = 0.2,
        retry_after: int | None = None,
        after_bytes: int | None = None,
    ) -> None:
        """Let the next `times` requests of a twin whose `METHOD /path` the expression finds fail so."""
        fault = {"twin": twin, "kind": kind, "times": times, "match": match, "seconds": seconds}
        self._ask("POST", "/faults", {**fault, "retry_after": retry_after, "after_bytes": after_bytes})

    def level(self, *, every: int, seed: int) -> None:
        """Let one of each `every` answers be bad; 0 switches it off."""
        self._ask("PUT", "/level", {"every": every, "seed": seed})

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    def grant(
        self, service: str, account: str, scopes: Sequence[str], *, lifetime_seconds: int | None = None
    ) -> dict[str, Any]:
        """Tokens of `google` or `dropbox`, as if a person had agreed."""
        asked = {"account": account, "scopes": list(scopes), "lifetime_seconds": lifetime_seconds}
        granted: dict[str, Any] = self._ask("POST", f"/grants/{service}", asked)
        return granted

    def expire_tokens(self, service: str) -> None:
        self._ask("POST", f"/grants/{service}/expire")

    def add_webhook(self, url: str, secret: str) -> None:
        """Tell this address what changes in Dropbox, signed with the app's secret. Raises Misconfigured where it does not echo."""
        self._ask("POST", "/dropbox/webhooks", {"url": url, "secret": secret})

    def put(self, table: str, key: str, record: Mapping[str, Any]) -> None:
        """Put a record that the service's own API cannot create: a place, a channel, an answer of the model."""
        self._ask("PUT", f"/records/{table}/{quote(key)}", record)

    def put_all(self, table: str, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Put many, by their ids."""
        self._ask("PUT", f"/records/{table}", records)

    def forget(self, table: str) -> None:
        """Take every record of a table away."""
        self._ask("DELETE", f"/records/{table}")

    def records(self, table: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", f"/records/{table}")
        return found

    def seen(self, twin: str | None = None) -> list[dict[str, Any]]:
        """Requests so far, oldest first, with the fault that each met."""
        return [seen for seen in self._ask("GET", "/seen")["requests"] if twin in {None, seen["twin"]}]

    def complaints(self) -> list[str]:
        """Answers that the services' own types forbid, and hosts asked for that have no twin. A test wants none."""
        seen = self._ask("GET", "/seen")
        return [*seen["wrong_answers"], *(f"no twin: {host}" for host in seen["refused_hosts"])]

    def mint(self, **claims: object) -> str:
        """A session token of the Clerk twin with these claims."""
        token: str = self._ask("POST", "/clerk/tokens", claims)["token"]
        return token

    def rotate_clerk_keys(self) -> None:
        self._ask("POST", "/clerk/rotate")

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401  any JSON
        url = f"https://127.0.0.1:{read_address(self.home).port}{path}"
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        try:
            trust = ssl.create_default_context(cafile=str(self.home / "authority.pem"))
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
            with opener.open(request, timeout=10) as answer:
                raw = answer.read()
        except urllib.error.HTTPError as refused:
            raise Misconfigured(f"the twins refuse {method} {path}: {refused.read().decode()}") from None
        except OSError as error:
            raise Misconfigured(f"the twins of {self.home} do not run (./askstephen twins up): {error}") from None
        return json.loads(raw) if raw else None

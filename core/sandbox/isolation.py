"""How well this machine can shut a child in: found out by doing it."""

import os
import pwd
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.sandbox.cell import EMPTY, cell, environment
from core.sandbox.child import Child
from core.sandbox.kernel import LINUX
from core.sandbox.plan import Plan, Report

# Without namespaces a child must not be `nobody`: the local stack's servers run as nobody, and their files are nobody's.
# From the range that systemd keeps for users that exist only while a program runs (systemd.io/UIDS-GIDS).
_NAMELESS = (61_184, 61_184)
_PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a child gets on this machine."""

    user: bool  # a user namespace of its own
    mount: bool  # a file tree of its own
    network: bool  # a network of its own, with nothing in it
    pid: bool  # sees no process but its own
    filter: bool  # dangerous system calls are denied; without a network namespace, every socket
    identity: tuple[int, int] | None  # the user and group it becomes; None: it stays who the worker is
    missing: str  # what was refused, and why; empty when nothing was

    @property
    def complete(self) -> bool:
        """Whether a child is shut in as designed."""
        return self.mount and self.network and self.pid

    @property
    def possible(self) -> bool:
        """Whether a child may be run at all: hostile bytes are never parsed as root."""
        return self.identity is not None or os.geteuid() != 0

    @property
    def sentence(self) -> str:
        """For `doctor` and the log."""
        if not self.possible:
            return f"no child can be run: this is root, who may not become another user here ({self.missing})"
        if self.complete:
            who = "as nobody" if self.identity else "as the worker's user"
            return f"children run in namespaces of their own, {who}, with no network" + (
                "" if self.filter else "; no call filter"
            )
        reach = "sockets are denied" if self.filter else "the network is within their reach"
        who = "as a user of their own" if self.identity else "as the worker's user, whose files they can read"
        return f"children run without namespaces, {who}; {reach}; {self.missing}"


@cache
def isolation() -> Isolation:
    """The best way of shutting a child in that works here; tried once per process."""
    refused = ""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # whoever the child becomes
        for plan in _ways(folder):
            report = _try(plan)
            if report.get("returncode") == 0:
                return _found(plan, refused, filtered=report["filtered"])
            refused = refused or report.get("failed", "a trial child did not end well")
        return _found(_plan(folder, namespaces=False, user_namespace=False, identity=None), refused, filtered=False)


def _found(plan: Plan, refused: str, *, filtered: bool) -> Isolation:
    inside = plan["namespaces"]
    return Isolation(
        user=plan["user_namespace"], mount=inside, network=inside, pid=inside,
        filter=filtered, identity=plan["identity"], missing="" if inside else refused or "this is not Linux",
    )  # fmt: skip


def _ways(folder: str) -> Iterator[Plan]:
    """From the best to the least. Root can do without a user namespace, but never stays root."""
    root = os.geteuid() == 0
    if LINUX:
        identity = _nobody() if root else None
        yield _plan(folder, namespaces=True, user_namespace=True, identity=identity)
        if root:
            yield _plan(folder, namespaces=True, user_namespace=False, identity=identity)
    yield _plan(folder, namespaces=False, user_namespace=False, identity=_NAMELESS if root else None)


def _plan(folder: str, *, namespaces: bool, user_namespace: bool, identity: tuple[int, int] | None) -> Plan:
    return Plan(
        argv=["true"], folder=(os.path.realpath(folder), folder), limits={},
        namespaces=namespaces, user_namespace=user_namespace, loopback=False, identity=identity,
        cell=cell("true", Path(folder), (), ()) if namespaces else EMPTY,
    )  # fmt: skip


def _try(plan: Plan) -> Report:
    with Child(plan, environment(plan["folder"][1]), None) as child:
        deadline = time.monotonic() + _PROBE_SECONDS
        while child.pump() and time.monotonic() < deadline:
            pass
        return child.finish()


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:  # a container image may have no such user
        return _NAMELESS
    return entry.pw_uid, entry.pw_gid

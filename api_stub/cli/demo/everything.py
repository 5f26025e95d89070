"""`demo --all`: every heavy path and every use in one run, with the services outside as twins on this machine."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from api_stub.cli.demo import accounts
from api_stub.cli.demo.cloud import Cloud
from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.paths import coach, competitors, from_url, leads, operators, publishing, watched_folder
from api_stub.cli.demo.platform import platform
from api_stub.cli.demo.saying import say, told
from api_stub.cli.demo.stage import Stage, serve_site
from api_stub.cli.demo.storm import kill_each
from api_stub.cli.demo.watcher import Watcher
from core.errors import AskStephenError
from twins.running import Twins
from twins.samples import put_samples


class _Path(Protocol):
    """What `begin` gives `judge` gets, once all have begun."""

    @property
    def TITLE(self) -> str: ...  # noqa: N802  (modules have it)

    def begin(self, stage: Stage, /) -> Any: ...  # noqa: ANN401

    def judge(self, stage: Stage, begun: Any, /) -> Iterator[Verdict]: ...  # noqa: ANN401


_PATHS: tuple[_Path, ...] = (
    watched_folder,
    from_url,
    Cloud("google_drive", "drive", "a video in Google Drive"),
    Cloud("dropbox", "dropbox", "a video in Dropbox"),
    leads,
    competitors,
    coach,
    operators,
    publishing,
)
_BAD_EVERY, _SEED = 10, 7


@dataclass(frozen=True, slots=True)
class _Gone:
    """How a path went."""

    title: str
    verdicts: Sequence[Verdict]
    seconds: float

    @property
    def passed(self) -> bool:
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)


@contextmanager
def everything(folder: Path, home: Path, *, storm: bool) -> Iterator[list[Verdict]]:
    """Go every path and print a table; with `storm` every tenth answer of the twins is bad, and each process is killed once.

    All of it runs until the block ends.
    """
    with _stage(folder, home) as stage:
        if storm:
            stage.twins.level(every=_BAD_EVERY, seed=_SEED)
        with kill_each(home) if storm else _calm() as killed:
            gone = list(_go(stage))
        if storm:
            say(f"killed: {', '.join(killed)}")
        _show_table(gone)
        yield [verdict for each in gone for verdict in each.verdicts]


@contextmanager
def _stage(folder: Path, home: Path) -> Iterator[Stage]:
    site = folder / "site"
    with Twins(folder / "twins") as twins, serve_site(site) as site_url:
        put_samples(twins)
        with platform(home, {**twins.environment(), **_SETTINGS}) as link:
            say(f"running in {home}")
            yield Stage(Watcher(link), twins, home, site, site_url)


_SETTINGS: Mapping[str, str] = {**accounts.SETTINGS, "GUARD_ALLOWED": "127.0.0.1"}


@contextmanager
def _calm() -> Iterator[list[str]]:
    yield []


def _go(stage: Stage) -> Iterator[_Gone]:
    """Begin all, so that they stand in each other's way as they would; then look at one after the other."""
    began: list[tuple[_Path, Any, AskStephenError | None]] = []
    for path in _PATHS:
        say(f"begin: {path.TITLE}")
        try:
            began.append((path, path.begin(stage), None))
        except AskStephenError as problem:
            began.append((path, None, problem))
    for path, begun, failure in began:
        yield _judge(stage, path, begun, failure)


def _judge(stage: Stage, path: _Path, begun: Any, failure: AskStephenError | None) -> _Gone:  # noqa: ANN401  (its `begin`'s)
    print(f"\n{path.TITLE}", flush=True)
    since = time.monotonic()
    verdicts: list[Verdict] = []
    try:
        if failure is not None:
            raise failure
        for verdict in path.judge(stage, begun):
            verdicts.append(told(verdict))  # noqa: PERF401  (what was found before an error counts)
    except AskStephenError as problem:
        verdicts.append(told(Verdict(passed=False, words=str(problem))))
    return _Gone(path.TITLE, verdicts, time.monotonic() - since)


def _show_table(gone: Sequence[_Gone]) -> None:
    print("\npath                                                          checks  seconds")
    for each in gone:
        passed = sum(verdict.passed for verdict in each.verdicts)
        mark = "ok" if each.passed else "FAILED"
        print(f"{each.title:<60} {passed:>3} of {len(each.verdicts):<3} {each.seconds:7.1f}  {mark}", flush=True)

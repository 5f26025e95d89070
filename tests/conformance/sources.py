"""Places with businesses in them, one for each source of listings: what the suite must be able to do there."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from core.settings import Settings
from twins.running import Twins


@dataclass
class Stage:
    """What the settings must say for a source, and how businesses of a kind get there. Without `away`, it is not outside."""

    given: Mapping[str, Any]
    put: Callable[[str, Sequence[str]], object]  # kind and names, all in Springfield
    broken: Mapping[str, Any]  # settings with which it cannot work
    away: Callable[[], object] | None = None

    def settings(self, **instead: object) -> Settings:
        return Settings(_env_file=None, **{**self.given, **instead})


@contextmanager
def directory(request: pytest.FixtureRequest) -> Iterator[Stage]:
    path: Path = request.getfixturevalue("tmp_path") / "businesses.csv"

    def put(kind: str, names: Sequence[str]) -> None:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("title", "kind", "city"), *((name, kind, "Springfield") for name in names)])

    yield Stage({"leads_directory": path}, put, {"leads_directory": path.with_name("not_there.csv")})


@contextmanager
def places(request: pytest.FixtureRequest) -> Iterator[Stage]:
    twins: Twins = request.getfixturevalue("twins")

    def put(kind: str, names: Sequence[str]) -> None:
        told = {"formattedAddress": "Springfield", "types": [kind]}
        twins.put_all(
            "places",
            {
                f"p{number}": {"name": f"places/p{number}", "id": f"p{number}", "displayName": {"text": name}, **told}
                for number, name in enumerate(names)
            },
        )

    twins.forget("places")
    given = {"google_places_api_key": SecretStr("key")}
    yield Stage(given, put, {"google_places_api_key": SecretStr("")}, away=lambda: twins.fault("places", "unavailable"))
    twins.forget("places")


STAGES: Mapping[str, Any] = SimpleNamespace(directory=directory, places=places).__dict__

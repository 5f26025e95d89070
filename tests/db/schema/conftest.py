from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.local_stack.servers import Servers
from db.schema.adopt import Adoption
from db.schema.scratch import scratch_database
from tests.conftest import admin_url
from tests.db.schema.generations import build


@pytest.fixture
def server(stack: Servers) -> str:
    return admin_url(stack)


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    with scratch_database(server) as url:
        yield url


@pytest.fixture
def made(server: str) -> Iterator[Callable[..., str]]:
    """Make a database of a generation; its URL."""
    with ExitStack() as databases:

        def make(name: str, *, rows: int = 0) -> str:
            url = databases.enter_context(scratch_database(server))
            build(url, name, rows=rows)
            return url

        yield make


@pytest.fixture
def adopting(server: str, tmp_path: Path) -> Callable[..., Adoption]:
    """An adoption of a database; what it says is in `said` of the folder."""

    def adopt(url: str, **options: object) -> Adoption:
        with (tmp_path / "said").open("a") as said:
            said.write("")
        return Adoption(url, server, tmp_path / "backups", say=lambda words: _note(tmp_path / "said", words), **options)

    return adopt


def _note(file: Path, words: str) -> None:
    with file.open("a") as said:
        said.write(f"{words}\n")

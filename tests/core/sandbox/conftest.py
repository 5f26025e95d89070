from pathlib import Path

import pytest

from core.sandbox.isolation import Isolation, isolation
from core.sandbox.run import Sandbox
from core.settings import SandboxMode
from tests.conftest import let_in


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(mode=SandboxMode.AUTO)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    return let_in(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "attempt"
    made.mkdir()
    return made


@pytest.fixture
def shut_in() -> Isolation:
    found = isolation()
    if not found.complete:
        pytest.skip(f"namespaces are refused here: {found.missing}")
    return found

"""Running twins for any test that names the fixture `twins`."""

from collections.abc import Iterator

import httplib2
import pytest

from core.settings import settings
from tests.twins.google import close_services
from twins.running import Twins


@pytest.fixture(scope="session")
def twins_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with Twins(tmp_path_factory.mktemp("twins")) as process:
        yield process


@pytest.fixture
def twins(twins_process: Twins, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Running twins, which no test may bring to an answer that the services' own types forbid."""
    # No public authority is met here, and reading theirs costs 10 ms for each client that is made.
    bundle, alone = (str(twins_process.home / name) for name in ("bundle.pem", "authority.pem"))
    for name, value in twins_process.environment().items():
        monkeypatch.setenv(name, alone if value == bundle else value)
    for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "DROPBOX_APP_KEY", "DROPBOX_APP_SECRET"):
        monkeypatch.setenv(name, "client")  # any will do: they know everybody
    settings.cache_clear()
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(httplib2, "CA_CERTS", alone)  # read from the environment at import
    before = len(twins_process.complaints())
    yield twins_process
    settings.cache_clear()
    close_services()
    twins_process.clear_faults()
    assert twins_process.complaints()[before:] == []


@pytest.fixture
def model(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """The twins with a language model configured, which has been told nothing yet."""
    for table in ("openai.answers", "openai.requests"):
        twins.forget(table)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    settings.cache_clear()
    yield twins
    twins.forget("openai.answers")
    settings.cache_clear()

from collections.abc import Iterator

import pytest

from tests.twins.google import close_services
from twins.running import Twins


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with Twins(tmp_path_factory.mktemp("twins")) as running:
        yield running


@pytest.fixture
def twins(running: Twins, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Running twins, which no test may bring to an answer that the services' own types forbid."""
    httplib2 = pytest.importorskip("httplib2")
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(httplib2, "CA_CERTS", str(running.home / "bundle.pem"))  # read from the environment at import
    before = len(running.complaints())
    yield running
    close_services()
    running.clear_faults()
    assert running.complaints()[before:] == []

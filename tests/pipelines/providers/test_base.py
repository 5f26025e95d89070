from pathlib import Path

import pytest

from core.errors import NotFound, Refused
from pipelines import providers
from pipelines.providers.base import check_file_name, get_video_provider, list_video_providers
from tests.pipelines.providers.deliveries import delivery_to

NEW = """
from pipelines.providers.base import Fetched

class Shelf:
    is_outside = False

    def fetch(self, wanted, delivery):
        with delivery.storage.writer(delivery.key) as file:
            file.write(b"from the shelf")
        return Fetched(delivery.key, 14, "0" * 64)

PROVIDER = Shelf()
"""


def test_a_new_provider_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage):
    (tmp_path / "shelf.py").write_text(NEW)
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    assert "shelf" in list_video_providers()
    provider = get_video_provider("shelf")
    fetched = provider.fetch(None, delivery_to(storage))
    assert storage.local(fetched.key).read_bytes() == b"from the shelf"


@pytest.mark.parametrize("name", ["nowhere", "base", "ffmpeg", "../folder", "os"])
def test_what_brings_no_videos_is_no_provider(name: str):
    with pytest.raises(NotFound, match=r"there are: .*folder, .*upload"):
        get_video_provider(name)


@pytest.mark.parametrize("name", ["Talk at the club - final (2).mp4", "日本.mov", "a.b.c.mkv", "'; DROP TABLE videos; --.mp4"])
def test_a_name_is_kept_as_it_is(name: str):
    assert check_file_name(name) == name


@pytest.mark.parametrize("name", ["", " .", "../../etc/passwd.mp4", "C:\\film.mp4", "a\r\nb.mp4", "x" * 256, "\x00.mp4"])
def test_a_name_that_misleads_is_refused(name: str):
    with pytest.raises(Refused, match=r"Please|\."):
        check_file_name(name)

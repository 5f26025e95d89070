from pathlib import Path

import pytest

from core.errors import Invalid, Misconfigured, NotFound
from core.settings import Settings
from core.storage import FolderStorage, open_storage


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "storage")


def test_what_was_put_is_read_back(storage: FolderStorage, tmp_path: Path):
    source = tmp_path / "in"
    source.write_bytes(b"video")
    assert storage.put("attempts/a1/video.mp4", source) == 5
    with storage.open("attempts/a1/video.mp4") as file:
        assert file.read() == b"video"


def test_a_writer_that_fails_leaves_nothing(storage: FolderStorage):
    def write_half() -> None:
        with storage.writer("a/b") as file:
            file.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        write_half()
    assert list(storage.root.rglob("b*")) == []


def test_a_tree_is_listed_and_removed(storage: FolderStorage):
    for key in ("t/b", "t/a/c", "other"):
        with storage.writer(key) as file:
            file.write(b"x")
    assert list(storage.list_keys("t")) == ["t/a/c", "t/b"]
    storage.remove_tree("t")
    assert list(storage.list_keys("t")) == []
    assert storage.size("other") == 1


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../b", "a//b", "A", "a\n", ".hidden", "a/.b", "x" * 500])
def test_a_name_that_is_no_key_is_refused(storage: FolderStorage, key: str):
    with pytest.raises(Invalid):
        storage.open(key)


def test_an_absent_key_is_not_found(storage: FolderStorage):
    with pytest.raises(NotFound):
        storage.size("nothing/here")


def test_a_storage_url_that_is_not_a_folder_is_refused_with_advice():
    with pytest.raises(Misconfigured, match="file:///absolute/folder"):
        open_storage(Settings(storage_url="s3://bucket"))

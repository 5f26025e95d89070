import subprocess
from pathlib import Path

import pytest

from core.errors import Conflict, Invalid, Misconfigured, NotFound
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


def finished(storage: FolderStorage, key: str) -> bytes:
    with storage.open(key) as file:
        return file.read()


def test_a_resumable_file_appears_whole_after_several_goes(storage: FolderStorage):
    upload = storage.resumable("u/1")
    for part in (b"first ", b"second"):
        with upload.append() as tail:
            tail.write(part)
        assert list(storage.list_keys("u")) == []
    assert upload.size() == 12
    upload.finish(12)
    upload.finish(12)
    assert finished(storage, "u/1") == b"first second"
    assert upload.size() == 12


def test_a_resumable_file_is_cut_to_where_it_goes_on(storage: FolderStorage):
    with storage.resumable("u/1").append() as tail:
        tail.write(b"kept, lost")
    with storage.resumable("u/1").append() as tail:
        tail.cut(4)
        tail.write(b"!")
        with pytest.raises(Conflict):
            tail.cut(99)
    storage.resumable("u/1").finish(5)
    assert finished(storage, "u/1") == b"kept!"


def test_a_resumable_file_has_one_writer_at_a_time(storage: FolderStorage):
    with storage.resumable("u/1").append():
        for call in (lambda: storage.resumable("u/1").append().__enter__(), lambda: storage.resumable("u/1").finish(0)):
            with pytest.raises(Conflict):
                call()
    with storage.resumable("u/1").append() as tail:
        tail.write(b"mine")
    assert storage.resumable("u/1").size() == 4


def test_a_resumable_file_is_free_though_a_child_that_is_being_started_has_its_descriptor(storage: FolderStorage):
    with storage.resumable("u/1").append() as tail:
        tail.write(b"mine")
        [descriptor] = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if fd.resolve().name == "1.partial"]
        # Between fork and exec each child of another thread has such a copy; this one keeps it.
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[descriptor])
    with child:
        storage.resumable("u/1").finish(4)
    assert finished(storage, "u/1") == b"mine"


def test_a_resumable_file_is_not_finished_at_another_size(storage: FolderStorage):
    with storage.resumable("u/1").append() as tail:
        tail.write(b"half")
    with pytest.raises(Conflict):
        storage.resumable("u/1").finish(8)
    assert storage.resumable("u/1").size() == 4


def test_a_finished_file_is_not_written_to(storage: FolderStorage):
    with storage.resumable("u/1").append() as tail:
        tail.write(b"done")
    storage.resumable("u/1").finish(4)
    with pytest.raises(Conflict):
        storage.resumable("u/1").append().__enter__()
    assert finished(storage, "u/1") == b"done"


def test_an_abandoned_resumable_file_goes_with_its_tree(storage: FolderStorage):
    with storage.resumable("u/1").append() as tail:
        tail.write(b"half")
    storage.remove_tree("u")
    assert storage.resumable("u/1").size() == 0


def test_what_was_not_finished_is_read_and_thrown_away(storage: FolderStorage):
    resumable = storage.resumable("a/source")
    with resumable.append() as tail:
        tail.write(b"half")
    with resumable.open() as file:
        assert file.read() == b"half"
    resumable.discard()
    resumable.discard()
    with pytest.raises(NotFound):
        resumable.open()

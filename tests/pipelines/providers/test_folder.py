import os
from pathlib import Path

import pytest

from core.errors import NotFound, Refused
from core.storage import FolderStorage
from pipelines.providers.base import Wanted
from pipelines.providers.folder import Folder, list_videos
from tests.pipelines.providers.deliveries import delivery_to

CONTENT = b"moving pictures" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "watched"
    made.mkdir()
    return made


def nothing(_share: float) -> None:
    pass


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return path


def fetch(folder: Path, storage: FolderStorage, path: str, *, version: str | None = None, progress=nothing):
    wanted = Wanted(path, path.rpartition("/")[2], None, version)
    return Folder(lambda: folder).fetch(wanted, delivery_to(storage, progress=progress))


def test_videos_are_found_at_every_depth(folder: Path):
    write(folder / "a.mp4")
    write(folder / "deep" / "er" / "B.MOV")
    assert [file.path for file in list_videos(folder)] == ["a.mp4", "deep/er/B.MOV"]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden.mp4", "~lock.mp4", "film.mp4.part", "film.mp4.crdownload"])
def test_other_files_are_passed_over(folder: Path, name: str):
    write(folder / name)
    assert not list(list_videos(folder))


def test_links_are_passed_over(folder: Path, tmp_path: Path):
    write(tmp_path / "outside" / "film.mp4")
    (folder / "film.mp4").symlink_to(tmp_path / "outside" / "film.mp4")
    (folder / "outside").symlink_to(tmp_path / "outside")
    assert not list(list_videos(folder))


def test_a_version_changes_with_the_file(folder: Path):
    path = write(folder / "a.mp4")
    before = next(list_videos(folder)).version
    os.utime(path, (1, 1))
    assert next(list_videos(folder)).version != before


def test_the_bytes_arrive_with_their_hash(folder: Path, storage: FolderStorage):
    import hashlib

    write(folder / "deep" / "a.mp4")
    fetched = fetch(folder, storage, "deep/a.mp4", version=next(list_videos(folder)).version)
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert storage.local(fetched.key).read_bytes() == CONTENT


def test_another_version_than_the_one_asked_for_is_refused(folder: Path, storage: FolderStorage):
    write(folder / "a.mp4")
    with pytest.raises(Refused, match="changed while it was read"):
        fetch(folder, storage, "a.mp4", version="1-1")


def test_a_file_that_shrinks_while_it_is_read_is_refused_and_leaves_nothing(folder: Path, storage: FolderStorage):
    path = write(folder / "a.mp4")
    path.write_bytes(CONTENT * 500)

    def shrink(_share: float) -> None:
        os.truncate(path, 10)

    with pytest.raises(Refused, match="changed while it was read"):
        fetch(folder, storage, "a.mp4", progress=shrink)
    assert not list(storage.list_keys("attempts"))
    assert not list(storage.root.rglob("*.partial"))


def test_a_file_that_is_gone_is_told_by_its_name(folder: Path, storage: FolderStorage):
    with pytest.raises(NotFound, match=r"'a\.mp4' is no longer in the watched folder"):
        fetch(folder, storage, "a.mp4")


@pytest.mark.parametrize("path", ["../secret.mp4", "deep/../../secret.mp4", "/etc/passwd", "./a.mp4", ""])
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, storage: FolderStorage, tmp_path: Path, path: str):
    write(tmp_path / "secret.mp4")
    with pytest.raises(Refused):
        fetch(folder, storage, path)


def test_a_link_put_there_after_it_was_listed_is_not_followed(folder: Path, storage: FolderStorage, tmp_path: Path):
    write(tmp_path / "secret.mp4")
    (folder / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "deep").symlink_to(tmp_path)
    for path in ("a.mp4", "deep/secret.mp4"):
        with pytest.raises(NotFound):
            fetch(folder, storage, path)


@pytest.mark.parametrize("name", ["two\nlines.mp4", "bell\x07.mp4", "\N{REPLACEMENT CHARACTER}.mp4", "\N{LINE SEPARATOR}.mp4"])
def test_a_name_that_cannot_be_shown_is_refused(folder: Path, storage: FolderStorage, name: str):
    write(folder / name)
    with pytest.raises(Refused, match="Please rename it"):
        fetch(folder, storage, name)


def test_a_pipe_is_refused_without_waiting_for_its_writer(folder: Path, storage: FolderStorage):
    os.mkfifo(folder / "a.mp4")
    with pytest.raises(Refused, match="not a plain file"):
        fetch(folder, storage, "a.mp4")

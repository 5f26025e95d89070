from pathlib import Path

import pytest

from core.errors import Misconfigured
from pipelines.providers.whisper.models import bundled_model, find_model
from tests.pipelines.providers.whisper.conftest import listen


@pytest.fixture
def tampered(tmp_path: Path) -> Path:
    """The bundled model's files, linked, one of them about to be replaced."""
    folder = tmp_path / "tampered"
    folder.mkdir()
    for file in find_model("tiny.en").folder.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def replace(folder: Path, name: str, content: bytes) -> None:
    (folder / name).unlink()
    (folder / name).write_bytes(content)


def test_the_bundled_model_is_found_and_is_the_pinned_one() -> None:
    model = find_model("tiny.en")
    assert model.digest.startswith("1a5afae0")
    assert model.digest.endswith("e936b2a")
    assert (model.folder / "model.bin").is_file()


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.txt"])
def test_a_bundled_model_of_which_a_file_was_changed_is_refused_before_it_is_loaded(name: str, tampered: Path) -> None:
    replace(tampered, name, b"changed")
    with pytest.raises(Misconfigured, match=f"{name} of the bundled speech model is not the one that was pinned"):
        bundled_model(tampered)


def test_a_folder_without_a_model_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"has no model\.bin, config\.json, tokenizer\.json"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("name", ["", "base", "models/base", "../base", "tiny.en/"])
def test_a_name_that_is_neither_bundled_nor_an_absolute_folder_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="WHISPER_MODEL"):
        find_model(name)


def test_a_folder_is_named_without_its_path(tampered: Path) -> None:
    model = find_model(str(tampered))
    assert (model.name, model.digest) == ("tampered", find_model("tiny.en").digest)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.txt"])
def test_a_model_that_does_not_work_is_a_matter_of_settings(name: str, tampered: Path, speech: Path, tmp_path: Path) -> None:
    replace(tampered, name, b"[]")
    with pytest.raises(Misconfigured, match=r"the speech model tampered does not work: .*: set WHISPER_MODEL"):
        listen(speech, tmp_path, model=str(tampered))

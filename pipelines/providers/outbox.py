"""Publishing where no account is connected: each video in a folder of its own, with a manifest that says what is known of it."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import NotFound
from db.base.videos import Privacy
from pipelines.providers.publisher import Shown, Upload

_BLOCK_BYTES = 1 << 20


class Outbox:
    """A folder of this machine. Nobody else sees what lies there, whatever its manifest says of who may."""

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, marker: str) -> str | None:
        return marker if (self._folder / marker / "manifest.json").is_file() else None

    def ask(self, address: str, size_bytes: int) -> str | None:  # noqa: ARG002  (a copy begins anew)
        return self.find(address)

    def send(
        self, upload: Upload, address: str | None, *, keep: Callable[[str], None], progress: Callable[[float], None]
    ) -> str:
        if address is None:
            keep(upload.marker)
        folder = self._folder / upload.marker
        folder.mkdir(parents=True, exist_ok=True)
        partial, done = folder / "video.partial", 0
        with upload.path.open("rb") as source, partial.open("wb") as target:
            while block := source.read(_BLOCK_BYTES):
                target.write(block)
                done += len(block)
                progress(done / max(1, upload.size_bytes))
            os.fsync(target.fileno())
        partial.replace(folder / "video.mp4")
        told = {name: getattr(upload, name) for name in ("title", "description", "tags", "category", "language", "size_bytes")}
        self._write(upload.marker, {**told, "privacy": Privacy.PRIVATE, "uploaded_at": datetime.now(UTC).isoformat()})
        return upload.marker

    def look(self, video_id: str) -> Shown:
        told = self._read(video_id)
        film = self._folder / video_id / "video.mp4"
        if not film.is_file():
            raise NotFound(f"the outbox does not have video {video_id} any more")
        return Shown(video_id, film.as_uri(), "outbox", Privacy(told["privacy"]), film.stat().st_size, True, None)  # noqa: FBT003

    def set_privacy(self, video_id: str, privacy: Privacy) -> None:
        self._write(video_id, {**self._read(video_id), "privacy": privacy})

    def set_thumbnail(self, video_id: str, picture: Path) -> None:
        shutil.copyfile(picture, self._folder / video_id / f"thumbnail{picture.suffix}")

    def add_captions(self, video_id: str, language: str, subrip: str) -> None:
        (self._folder / video_id / f"captions.{language}.srt").write_text(subrip)

    def _read(self, video_id: str) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads((self._folder / video_id / "manifest.json").read_text())
        except FileNotFoundError:
            raise NotFound(f"the outbox does not have video {video_id} any more") from None
        return told

    def _write(self, video_id: str, told: dict[str, Any]) -> None:
        partial = self._folder / video_id / "manifest.partial"
        partial.write_text(json.dumps(told, indent=2, default=str))
        partial.replace(self._folder / video_id / "manifest.json")

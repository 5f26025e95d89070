"""A video that lands in a folder of a connected account."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from api_stub.cli.demo.accounts import connect, connection_of
from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage
from core.errors import Misconfigured
from pipelines.providers.sample import SAMPLES
from twins.files import put_file


@dataclass(frozen=True, slots=True)
class Cloud:
    """The path of one provider; `twin` is its name there."""

    provider: str
    twin: str
    TITLE: str

    @property
    def _file_name(self) -> str:
        return f"from_{self.twin}.mp4"

    def begin(self, stage: Stage) -> int:
        """Connect the account, follow its top folder, and put a video there."""
        connect(stage, self.provider)
        connection_id = connection_of(stage, self.provider)
        stage.watcher.send(f"/v1/connections/{connection_id}/select-folder", {"name": "Everything"})
        shutil.copyfile(SAMPLES / "clear.mp4", stage.home.parent / self._file_name)
        stage.until(lambda: self._put(stage), f"{self._file_name} in {self.twin}", seconds=60)
        stage.watcher.send(f"/v1/connections/{connection_id}/sync")
        return connection_id

    def _put(self, stage: Stage) -> bool | None:
        """Whether the file is there now; an upload may be spoilt."""
        with suppress(Misconfigured):
            put_file(stage.twins, self.twin, stage.home.parent / self._file_name)
            return True
        return None

    def judge(self, stage: Stage, _connection_id: int) -> Iterator[Verdict]:
        """It came, once, whole."""
        video = stage.video(self._file_name)
        yield Verdict(video["status"] == "ready_to_edit", f"{self._file_name} is {video['status']}")
        rows = [row for row in stage.watcher.json("/api/ingest-requests") if row["sourceFileName"] == self._file_name]
        yield Verdict(len(rows) == 1, f"taken in {len(rows)} time")
        size = (SAMPLES / "clear.mp4").stat().st_size
        yield Verdict(
            video["durationMs"] is not None and rows[0]["sourceFileSize"] == size, f"{size} bytes, {video['durationMs']} ms"
        )

"""One upload that is made once: it goes on from the byte that the place has, and begins anew only where no video came of it."""

from typing import Any

from pipelines.context import Context
from pipelines.providers.publisher import Publisher, SessionLost, Upload
from pipelines.steps.places import seal, unseal


class Sending:
    """`make` and `find` for an effect. Where the upload goes is a secret: it is kept sealed, in the step's checkpoint."""

    def __init__(self, ctx: Context, place: Publisher, upload: Upload) -> None:
        self._ctx = ctx
        self._place = place
        self._upload = upload
        self._has_looked = False
        kept = ctx.last_checkpoint or {}
        self._sealed: str | None = kept.get("address") if kept.get("marker") == upload.marker else None

    def find(self) -> dict[str, Any] | None:
        """The video that came of an earlier attempt. The session knows best; where it is lost, the marker is looked for."""
        if self._sealed is not None:
            try:
                made = self._place.ask(unseal(self._sealed, self._ctx), self._upload.size_bytes)
            except SessionLost:
                self._sealed = None
            else:
                return {"id": made} if made else None
        self._has_looked = True
        found = self._place.find(self._upload.marker)
        return {"id": found} if found else None

    def make(self) -> dict[str, Any]:
        """Send what is missing. Nothing is begun before it was looked whether the video is there."""
        if self._sealed is None and not self._has_looked and (found := self.find()):
            return found
        try:
            return self._send()
        except SessionLost:
            self._ctx.log("the place lost the upload", level="warning")
            self._sealed = None
        return self.find() or self._send()

    def _send(self) -> dict[str, Any]:
        address = None if self._sealed is None else unseal(self._sealed, self._ctx)
        return {"id": self._place.send(self._upload, address, keep=self._keep, progress=self._progress)}

    def _keep(self, address: str) -> None:
        self._sealed = seal(address, self._ctx)
        self._checkpoint()

    def _progress(self, share: float) -> None:
        self._ctx.progress(share, "uploading")
        self._checkpoint()  # an attempt that got further was not lost for nothing

    def _checkpoint(self) -> None:
        self._ctx.checkpoint({"address": self._sealed, "marker": self._upload.marker})

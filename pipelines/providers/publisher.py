"""What publishing needs of a place where videos are shown: YouTube, or a folder where no account is connected."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.errors import Transient
from db.base.videos import Privacy


class SessionLost(Transient):
    """The place forgot an upload that had begun. Whether it came to a video is not known: look for its marker."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is to become a video, and what is said of it. Nobody sees it but its owner until it is revealed."""

    path: Path
    size_bytes: int
    title: str
    description: str
    tags: tuple[str, ...]
    category: str
    language: str
    marker: str  # by which this very upload is found again


@dataclass(frozen=True, slots=True)
class Shown:
    """A video as the place has it now."""

    id: str
    url: str
    channel_id: str
    privacy: Privacy
    size_bytes: int | None  # of what arrived, where the place tells
    is_processed: bool
    failure: str | None  # why it will never be shown


class Publisher(Protocol):
    """A place. Every call may be repeated but `send` without an address; raises Refused when the owner has to act, Unavailable."""

    @property
    def name(self) -> str:
        """Whose limits and breakers hold; `outbox` calls nobody."""

    def find(self, marker: str) -> str | None:
        """The id of the newest video that carries this marker."""

    def ask(self, address: str, size_bytes: int) -> str | None:
        """The id that an upload which had begun came to, or None while bytes are missing. Raises SessionLost."""

    def send(
        self, upload: Upload, address: str | None, *, keep: Callable[[str], None], progress: Callable[[float], None]
    ) -> str:
        """Upload as a private video and return its id; with an address, from the byte on that the place has.

        `keep` gets the address before the first byte is sent: a secret. `progress` gets 0 to 1 after each piece, and may raise to
        end it. Raises SessionLost.
        """

    def look(self, video_id: str) -> Shown:
        """What the place says of a video of ours. Raises NotFound."""

    def set_privacy(self, video_id: str, privacy: Privacy) -> None:
        """Show the video to these. Raises NotFound."""

    def set_thumbnail(self, video_id: str, picture: Path) -> None:
        """The picture that stands for it: JPEG or PNG."""

    def add_captions(self, video_id: str, language: str, subrip: str) -> None:
        """A track of captions; one that is there already stays."""

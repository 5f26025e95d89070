"""What kind of picture a file is, by its first bytes: nothing of it is decoded here."""

from enum import StrEnum


class Kind(StrEnum):
    """A picture that browsers and YouTube take, by its name's ending."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"


def find_kind(head: bytes) -> Kind | None:
    """The kind of a file that begins so; None where it is no picture that is taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind.WEBP
    return None

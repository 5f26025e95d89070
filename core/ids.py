"""Ids that sort by the time they were made, and ids read from names."""

import os
import time
from datetime import datetime
from uuid import UUID


def new_id() -> UUID:
    """A UUIDv7, ordered inside a millisecond by its fraction (RFC 9562 §5.7 and §6.2, method 3)."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | random)


def first_id_of(instant: datetime) -> UUID:
    """An id that sorts before every id made at this instant or later, and after all made before it; to the millisecond."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)


def read_id(text: str) -> UUID | None:
    """The id that is written so, or None where this is none: a folder of another's, say."""
    try:
        return UUID(text)
    except ValueError:
        return None

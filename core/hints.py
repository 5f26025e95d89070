"""What a hint is in Redis: a text in the list of a queue, and the turn to put one there without the relay."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

_ALONE = "alone:"
TURN_SECONDS = 2.0  # without a relay that renews it, no turn is left


def hints_key(queue: str) -> str:
    """The Redis list of hints for one queue."""
    return f"hints:{queue}"


def turn_key(queue: str) -> str:
    """There is such a key while a thread of this queue is free and nothing waits: who takes it away may hint one step."""
    return f"turn:{queue}"


@dataclass(frozen=True, slots=True)
class HintText:
    """Attempt these steps, one after the other; `alone`: with nothing beside them."""

    step_ids: list[UUID]
    alone: bool


def write_hint(step_ids: Iterable[UUID], *, alone: bool = False) -> str:
    """The text of a hint."""
    return _ALONE * alone + ",".join(step_id.hex for step_id in step_ids)


def read_hint(text: str) -> HintText:
    """What a hint says. Raises ValueError."""
    return HintText([UUID(step_id) for step_id in text.removeprefix(_ALONE).split(",")], text.startswith(_ALONE))

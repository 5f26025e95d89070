"""Partial answers: `fields=files(id,owners/emailAddress),nextPageToken` keeps what it names."""

from typing import Any

Mask = dict[str, "Mask"]  # empty: everything below


def parse_mask(text: str) -> Mask:
    """The mask that a `fields` parameter means. Raises ValueError where it cannot be read."""
    mask, rest = _parse_list(text.replace(" ", ""))
    if rest:
        raise ValueError(f"Invalid field selection {rest}")
    return mask


def apply_mask(mask: Mask, value: Any) -> Any:  # noqa: ANN401  any JSON
    """What the mask leaves of an answer."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [apply_mask(mask, item) for item in value]
    if isinstance(value, dict):
        return {name: apply_mask(mask[name], item) for name, item in value.items() if name in mask}
    return value


def _parse_list(text: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while True:
        text = _parse_path(text, mask)
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _parse_path(text: str, mask: Mask) -> str:
    """Read `a/b(c,d)` into the mask; returns what is left."""
    length = next((at for at, letter in enumerate(text) if letter in ",/()"), len(text))
    name, text = text[:length], text[length:]
    if not name:
        raise ValueError(f"Invalid field selection {text or 'of nothing'}")
    inner = mask.setdefault(name, {})
    if text.startswith("/"):
        return _parse_path(text[1:], inner)
    if text.startswith("("):
        more, text = _parse_list(text[1:])
        inner.update(more)
        if not text.startswith(")"):
            raise ValueError("Invalid field selection: a parenthesis is open")
        return text[1:]
    return text

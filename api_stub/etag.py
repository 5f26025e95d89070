"""Entity tags: whether a client has already what it asks for."""


def matches(header: str | None, tag: str) -> bool:
    """Tell whether If-None-Match names this quoted tag; a weak one compares as a strong one (RFC 9110 §13.1.2)."""
    known = [one.strip().removeprefix("W/") for one in (header or "").split(",")]
    return tag in known or known == ["*"]

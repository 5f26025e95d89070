"""What the parent tells the launcher: one JSON object. Imports next to nothing, because the launcher reads it too."""

from typing import TypedDict


class Cell(TypedDict):
    """What the child sees. All paths are absolute and, but for `links`, free of symbolic links on the left side."""

    mounts: list[tuple[str, str]]  # read-only: where it is, where the child sees it; outer folders first
    links: list[tuple[str, str]]  # a symbolic link and its text
    within: list[str]  # inputs inside the attempt's folder: made read-only once nothing else can be reached


class Plan(TypedDict):
    """One child."""

    argv: list[str]
    folder: tuple[str, str]  # the attempt's: where it is, where the child sees it
    identity: tuple[int, int] | None  # user and group to become; None: stay who we are
    namespaces: bool
    user_namespace: bool
    loopback: bool  # the namespace's own, for a child that relays between its parts
    cell: Cell  # empty without namespaces
    limits: dict[str, int]  # by the name of the rlimit in module `resource`


class Report(TypedDict, total=False):
    """What the launcher says on its status pipe, one JSON object a line."""

    failed: str  # it could not start the program, and why
    errno: int
    filtered: bool  # the call filter is in place
    returncode: int
    peak_memory_bytes: int

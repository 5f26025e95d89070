"""What a plan is made of."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done: in words for who decides, and as statements."""

    words: str
    sql: tuple[str, ...]
    part_of: str | None = None  # what is told instead, once for all its parts


@dataclass(slots=True)
class Plan:
    """What brings a database to ours."""

    change: list[Step] = field(default_factory=list)  # one transaction, metadata only
    settle: list[Step] = field(default_factory=list)  # one by one afterwards; may be repeated
    kept: list[str] = field(default_factory=list)  # what stays as it is although ours differs, and what that means
    obstacles: list[str] = field(default_factory=list)  # what cannot be reconciled, and why

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.change or self.settle)

    def now(self, words: str, *sql: str, part_of: str | None = None) -> None:
        """Do it in the transaction."""
        self.change.append(Step(words, sql, part_of))

    def later(self, words: str, *sql: str) -> None:
        """Do it afterwards."""
        self.settle.append(Step(words, sql))

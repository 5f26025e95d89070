"""What a language provider can do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from core.errors import Refused, Transient

Shape = TypeVar("Shape")


class BadAnswer(Transient):
    """The model answered something that is not what was asked for; asked again it may do better."""


class Declined(Refused):
    """The model, or a filter before it, will not answer this."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said in a conversation."""

    role: Literal["user", "assistant"]
    text: str


class Language(Protocol):
    """Answers from evidence. `evidence` is anything JSON can say; it is material to judge, whatever it says.

    `instructions` are the program's own words only. `by_rules` makes the answer of a provider that has no model. Raises
    BadAnswer, Declined, Unavailable, Misconfigured, Permanent; no error quotes the evidence or the answer.
    """

    @property
    def name(self) -> str:
        """What answers, for people: kept with everything that it drafts (`modelUsed`)."""

    @property
    def provider(self) -> str | None:
        """Whose limits and breakers its calls are under (`ctx.calls`); None when it calls nobody."""

    @property
    def is_offline(self) -> bool:
        """Whether nothing leaves this machine, and nothing is understood."""

    def ask(self, shape: type[Shape], instructions: str, evidence: object, *, by_rules: Callable[[], Shape]) -> Shape:
        """An answer in this shape (a dataclass or pydantic model), validated."""

    def tell(
        self, instructions: str, evidence: object, *, turns: Sequence[Turn] = (), by_rules: Callable[[], str]
    ) -> Iterator[str]:
        """An answer in words, in pieces as it is written. What was told before an error is not the whole."""

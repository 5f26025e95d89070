"""The language provider without a model: whoever asks says what rules answer, and the draft says that they did."""

import re
from collections.abc import Callable, Iterator, Sequence

from pipelines.providers.language.base import Shape, Turn


class Rules:
    """Answers by the rules of whoever asks."""

    name = "rules, without a language model"
    provider = None
    is_offline = True

    def ask(self, shape: type[Shape], instructions: str, evidence: object, *, by_rules: Callable[[], Shape]) -> Shape:  # noqa: ARG002
        return by_rules()

    def tell(
        self,
        instructions: str,  # noqa: ARG002
        evidence: object,  # noqa: ARG002
        *,
        turns: Sequence[Turn] = (),  # noqa: ARG002
        by_rules: Callable[[], str],
    ) -> Iterator[str]:
        yield from re.findall(r"\s*\S+|\s+$", by_rules())

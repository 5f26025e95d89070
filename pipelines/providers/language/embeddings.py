"""Places texts by meaning, where an endpoint and a model for it are configured."""

import math
from collections.abc import Sequence
from typing import Any

from core.settings import Settings
from pipelines.providers.language.base import BadAnswer
from pipelines.providers.language.endpoint import PROVIDER, SECONDS, connected

AT_ONCE = 64
_DIMENSIONS = 256  # asked for; a server that knows one size only answers with that


class Embedder:
    """Turns texts into directions: those of similar texts are near each other."""

    provider = PROVIDER

    def __init__(self, config: Settings) -> None:
        self._config = config
        self.model = config.embedding_model

    def embed(self, texts: Sequence[str], *, seconds: float = SECONDS) -> list[list[float]]:
        """One direction of length 1 for each of at most 64 texts. Raises BadAnswer, Unavailable, Misconfigured, Permanent."""
        with connected(self._config) as client:
            answer = client.with_options(timeout=seconds).embeddings.create(
                model=self.model, input=list(texts), dimensions=_DIMENSIONS, encoding_format="float"
            )
        vectors = [_direction(item) for item in sorted(_items(answer), key=lambda item: item.index)]
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise BadAnswer(f"{self.model} placed {len(vectors)} of {len(texts)} texts, or not all in one space")
        return vectors

    def label(self, vector: Sequence[float]) -> str:
        """What only vectors that can be compared share."""
        return f"{self.model}/{len(vector)}"


def find_embedder(config: Settings) -> Embedder | None:
    """The model that these settings name; None where none is."""
    return Embedder(config) if config.has_language_model and config.embedding_model else None


def _items(answer: Any) -> list[Any]:  # noqa: ANN401  (anything a server sends)
    data = getattr(answer, "data", None)
    if not isinstance(data, list):
        raise BadAnswer("the endpoint answered something that is no list of embeddings")
    return data


def _direction(item: Any) -> list[float]:  # noqa: ANN401
    vector = item.embedding
    if not isinstance(vector, list) or not all(isinstance(value, int | float) and math.isfinite(value) for value in vector):
        raise BadAnswer("the endpoint answered an embedding that is no list of numbers")
    length = math.sqrt(math.fsum(value * value for value in vector))
    if length == 0:
        raise BadAnswer("the endpoint answered an embedding without a direction")
    return [value / length for value in vector]

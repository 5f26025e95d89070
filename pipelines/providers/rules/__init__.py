"""Rules that find what should stay confidential in what is said: the reviewer that works offline."""

from pipelines.providers.rules.coverage import Coverage, Gap
from pipelines.providers.rules.reviews import Review, review

__all__ = ["Coverage", "Gap", "Review", "review"]

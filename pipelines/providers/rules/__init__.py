"""Rules that find what should stay confidential in what is said and shown: the reviewer that works offline."""

from pipelines.providers.rules.coverage import UNCHECKED_RULES, Coverage, Gap
from pipelines.providers.rules.reviews import Opinion, Review, review

__all__ = ["UNCHECKED_RULES", "Coverage", "Gap", "Opinion", "Review", "review"]

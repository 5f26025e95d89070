"""The pipeline `search_index`: what is said in videos that were there before is made findable, and placed by the present model."""

from dataclasses import dataclass

from pipelines.base import Pipeline, Unique
from pipelines.steps.index import embed_old, index_old


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """All videos of the owner."""


PIPELINE = Pipeline("search_index", SearchIndex, (index_old, embed_old.after(index_old)), unique=Unique(()))

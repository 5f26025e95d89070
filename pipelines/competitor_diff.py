"""The pipeline `competitor_diff`: a competitor's page or channel is read, and what changed is kept."""

from dataclasses import dataclass

from pipelines.base import Pipeline, Unique
from pipelines.steps.compete import find_changes, look


@dataclass(frozen=True, slots=True)
class CompetitorDiff:
    """A row of `competitors`."""

    competitor_id: int


PIPELINE = Pipeline("competitor_diff", CompetitorDiff, (look, find_changes.after(look)), unique=Unique(by=("competitor_id",)))

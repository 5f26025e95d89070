"""The pipeline `competitor_alert`: a user is told what changed at a competitor."""

from dataclasses import dataclass

from pipelines.base import Pipeline
from pipelines.steps.tell import tell_changes


@dataclass(frozen=True, slots=True)
class CompetitorAlert:
    """A reading that showed changes, and what the competitor is called."""

    snapshot_id: int
    name: str


PIPELINE = Pipeline("competitor_alert", CompetitorAlert, (tell_changes,))

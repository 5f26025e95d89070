"""The pipeline `lead_digest`: a user is told what is new since the search before."""

from dataclasses import dataclass

from pipelines.base import Pipeline
from pipelines.steps.tell import tell_new_leads


@dataclass(frozen=True, slots=True)
class LeadDigest:
    """A search, and the leads that one answer to it brought for the first time (None: those that its results call new)."""

    search_id: int
    lead_ids: tuple[int, ...] | None = None


PIPELINE = Pipeline("lead_digest", LeadDigest, (tell_new_leads,))

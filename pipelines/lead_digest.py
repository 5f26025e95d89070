"""The pipeline `lead_digest`: a user is told what is new since the search before."""

from dataclasses import dataclass

from pipelines.base import Pipeline
from pipelines.steps.tell import tell_new_leads


@dataclass(frozen=True, slots=True)
class LeadDigest:
    """A search that has ended."""

    search_id: int


PIPELINE = Pipeline("lead_digest", LeadDigest, (tell_new_leads,))

"""The pipeline `lead_intel`: how others are rated, who competes, and who could send customers, as a client's leads tell."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from db.intel import Kind
from pipelines.base import Pipeline
from pipelines.steps.intel import investigate


@dataclass(frozen=True, slots=True)
class LeadIntel:
    """A client, what to look at, and what is said of the business beside what is known of it."""

    client_id: int
    actions: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=3)]
    business_name: str = ""
    business_type: str = ""
    geo: str = ""
    place_id: str | None = None
    competitors: tuple[str, ...] = ()


PIPELINE = Pipeline("lead_intel", LeadIntel, (investigate,), finish_within=timedelta(hours=1))

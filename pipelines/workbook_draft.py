"""The pipeline `workbook_draft`: a SWOT analysis, a root cause, core values or a 90-day plan, drafted from the whole workbook."""

from dataclasses import dataclass
from typing import Literal

from db.base.workbook import BusinessArea
from pipelines.base import Pipeline, Unique
from pipelines.steps.coach import draft


@dataclass(frozen=True, slots=True)
class WorkbookDraft:
    """The section; the business area counts for a SWOT analysis only."""

    section: Literal["swot", "root-cause", "core-value", "action-plan"]
    business_area: BusinessArea = BusinessArea.OVERALL


PIPELINE = Pipeline("workbook_draft", WorkbookDraft, (draft,), unique=Unique(("section", "business_area")))

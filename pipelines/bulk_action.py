"""The pipeline `bulk_action`: what an operator asked to be done to many jobs, part by part."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from pipelines.base import Pipeline, Unique
from pipelines.steps.operate import act_on_jobs


@dataclass(frozen=True, slots=True)
class BulkAction:
    """The number under which the operator's action is kept: it says what was asked."""

    action_id: Annotated[int, Ge(1)]


PIPELINE = Pipeline("bulk_action", BulkAction, (act_on_jobs,), unique=Unique(by=("action_id",)))

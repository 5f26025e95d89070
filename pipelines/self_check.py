"""The pipeline `self_check`: database, queues, workers and storage at work together, on request."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from pipelines.base import Pipeline
from pipelines.steps.self_check import read_sample, write_sample


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """How much to write and read back."""

    mebibytes: Annotated[int, Interval(ge=1, le=1024)] = 16


PIPELINE = Pipeline("self_check", SelfCheck, (write_sample, read_sample.after(write_sample)))

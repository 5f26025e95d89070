"""Pipelines that exist for the length of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from pipelines.base import Pipeline, find_pipelines


@contextmanager
def registered(*pipelines: Pipeline) -> Iterator[None]:
    """Within the block these are found by name as if each had its file. Raises ValueError where the name is taken."""
    found = cast("dict[str, Pipeline]", find_pipelines())  # what every search in this process returns
    for pipeline in pipelines:
        if found.setdefault(pipeline.name, pipeline) is not pipeline:
            raise ValueError(f"there is a pipeline {pipeline.name} already: give the one of the test another name")
    try:
        yield
    finally:
        for pipeline in pipelines:
            del found[pipeline.name]

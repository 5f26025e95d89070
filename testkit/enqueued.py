"""Tells whether jobs were enqueued."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import status
from pipelines.base import Pipeline

_MOST = 1000


def assert_enqueued(
    session: Session,
    pipeline: str | Pipeline,
    *,
    args: object = None,
    subject: str | None = None,
    count: int | None = None,
) -> list[RowMapping]:
    """The jobs of the pipeline that this session sees, newest first, whatever became of them.

    `args`, a mapping or the pipeline's own dataclass, must be among a job's. `count` None: at least one. Raises AssertionError.
    """
    name = pipeline if isinstance(pipeline, str) else pipeline.name
    wanted = as_mapping(args)
    there = status.list_jobs(session, limit=_MOST)
    found = [
        job for job in there if job["pipeline"] == name and subject in {None, job["subject"]} and _holds(job["args"], wanted)
    ]
    if len(found) != count if count is not None else not found:
        number = "a job" if count is None else f"{count} jobs"
        about = f" about {subject}" if subject else ""
        raise AssertionError(
            f"expected {number} of {name} with {wanted}{about}, found {len(found)}. There are:\n{_told(there)}"
        )
    return found


def as_mapping(args: object) -> Mapping[str, Any]:
    """Arguments as a mapping. Raises TypeError."""
    if args is None:
        return {}
    if isinstance(args, Mapping):
        return args
    if dataclasses.is_dataclass(args) and not isinstance(args, type):
        return dataclasses.asdict(args)
    raise TypeError(f"arguments are a mapping or a dataclass, not {type(args).__name__}")


def _holds(args: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in args and args[name] == value for name, value in wanted.items())


def _told(jobs: list[RowMapping]) -> str:
    lines = [f"  {job['pipeline']} {job['args']} {job['subject'] or ''} {job['status']}" for job in jobs]
    return "\n".join(lines) or "  no jobs at all"

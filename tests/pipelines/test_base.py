from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import pipelines
from core.errors import Invalid
from db import status
from pipelines import self_check
from pipelines.base import enqueue, find_pipelines
from testkit import registered

NEW = """
from dataclasses import dataclass
from pipelines.base import Pipeline, step

@dataclass(frozen=True, slots=True)
class Greet:
    name: str

@step(queue="io")
def greet(ctx):
    return "hello " + ctx.args["name"]

PIPELINE = Pipeline("greet", Greet, (greet,))
"""


def test_a_new_pipeline_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database, owner):
    (tmp_path / "greet.py").write_text(NEW)
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(tmp_path)])
    assert "greet" in find_pipelines()
    with database.tenant(owner) as session:
        job_id = enqueue(session, "greet", {"name": "Anna"}, owner_id=owner)
        assert status.get_job(session, job_id)["args"] == {"name": "Anna"}


def test_arguments_are_checked_at_the_door(database, owner):
    with database.tenant(owner) as session, pytest.raises(Invalid, match="mebibytes"):
        enqueue(session, "self_check", {"mebibytes": 99999}, owner_id=owner)


def test_every_shipped_pipeline_names_steps_that_come_before():
    for pipeline in find_pipelines().values():
        seen: set[str] = set()
        for step in pipeline.steps:
            assert set(step.comes_after) <= seen, f"{pipeline.name}.{step.name}"
            seen.add(step.name)


def test_limits_of_time_are_the_pipelines_unless_the_caller_says_otherwise(database, owner):
    hour, day = timedelta(hours=1), timedelta(days=1)
    timed = replace(self_check.PIPELINE, name="timed", start_within=hour)
    with registered(timed), database.tenant(owner) as session:
        ids = [
            enqueue(session, "timed", {}, owner_id=owner),
            enqueue(session, "timed", {}, owner_id=owner, start_within=day, finish_within=day),
        ]
        rows = [status.get_job(session, job_id) for job_id in ids]
    assert [row["start_by"] - row["created_at"] for row in rows] == [hour, day]
    assert [row["finish_by"] and row["finish_by"] - row["created_at"] for row in rows] == [None, day]

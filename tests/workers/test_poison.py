import dataclasses
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from core.storage import mark_content
from db import status
from pipelines.base import Pipeline, enqueue, step
from pipelines.context import Context
from testkit import Worker, registered
from tests.conftest import let_in


@dataclass(frozen=True, slots=True)
class Content:
    key: str


@step(queue="media")
def parse(ctx: Context) -> None:
    ctx.progress(0.5, "parsing")
    ctx.run(["sh", "-c", "echo bad frame >&2; kill -SEGV $$"], inputs=[ctx.storage.local(ctx.args["key"])])


@pytest.fixture
def jobs_on(worker: Worker, owner: str):
    """Store each content, make a job about it, run each once; ids and statuses, in order."""

    def run(*contents: bytes, optional: bool = False) -> list[tuple[UUID, str]]:
        made = []
        with registered(Pipeline("parse", Content, (dataclasses.replace(parse, optional=optional),))):
            for number, content in enumerate(contents):
                with worker.runner._storage.writer(f"stored/{number}") as file:
                    file.write(content)
                let_in(worker.runner._storage.root / "stored")
                with worker.database.tenant(owner) as session:
                    made.append(enqueue(session, "parse", {"key": f"stored/{number}"}, owner_id=owner))
                worker.drain()
        return [(job_id, worker.job(job_id)["status"]) for job_id in made]

    return run


def test_content_that_killed_two_children_is_quarantined_and_says_where_else(worker: Worker, jobs_on):
    (first, was), (_, other), (second, then) = jobs_on(b"poison", b"else", b"poison")
    assert (was, other, then) == ("retrying", "retrying", "quarantined")
    with worker.database.jobs() as session:
        [attempt] = status.list_evidence(session, second)
    evidence = attempt["evidence"]
    assert evidence["elsewhere"] == [str(first)]
    assert (evidence["signal"], evidence["stderr"].strip()) == (11, "bad frame")
    assert evidence["peak_memory_bytes"] > 0
    [shown] = worker.job(second)["attempts"]
    assert not {"content", "stderr", "elsewhere"} & shown["evidence"].keys(), "another owner's jobs, and names of files"


def test_an_optional_step_that_content_killed_twice_fails_and_holds_nothing_up(jobs_on):
    assert [status for _, status in jobs_on(b"poison", b"poison", optional=True)] == ["retrying", "succeeded"]


def test_content_is_told_apart_by_its_size_its_start_and_its_end(tmp_path: Path):
    contents = [b"a" * 20_000_000, b"b" + b"a" * 19_999_999, b"a" * 19_999_999 + b"b", b"a" * 20_000_001]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    assert len({mark_content([tmp_path / str(number)]) for number in range(len(contents))}) == len(contents)
    assert mark_content([tmp_path / "0"]) == mark_content([tmp_path / "0"])

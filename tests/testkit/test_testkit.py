from dataclasses import dataclass

import pytest

from core.errors import NotFound, Permanent, Transient
from db.engine import Database
from pipelines import self_check
from pipelines.base import Pipeline, enqueue, find_pipelines, get_pipeline, step
from pipelines.context import Context
from pipelines.self_check import SelfCheck
from testkit import NotSucceeded, Worker, assert_enqueued, registered


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@step(queue="io")
def split(ctx: Context) -> None:
    with ctx.complete(parts=ctx.args["text"].split()):
        pass


@step(queue="ai")
def measure(ctx: Context) -> object:
    return len(ctx.input)


@step(queue="io")
def sign(ctx: Context) -> object:
    if not ctx.args["text"]:
        raise Permanent("there is nothing to sign")
    return f"{ctx.result('split')} {ctx.args['text']}"


WORDS = Pipeline("words", Words, (split, measure.after(split, for_each=split), sign.after(measure)))


def test_a_whole_job_is_performed_and_tells_what_its_steps_returned(worker: Worker):
    assert worker.perform(WORDS, Words("to be")) == {"split": None, "measure": 2, "sign": "None to be"}
    assert worker.perform(self_check.PIPELINE, {"mebibytes": 1})["read_sample"] == {"bytes": 1 << 20}


def test_one_step_is_performed_with_what_came_before_it(worker: Worker):
    assert worker.perform(WORDS.step("sign"), Words("yours"), results={"split": "ever"}) == "ever yours"


def test_a_step_of_parts_is_performed_with_the_one_it_is_given(worker: Worker):
    assert worker.perform(WORDS.step("measure"), Words(""), part="four") == 4


def test_a_job_that_did_not_succeed_says_which_step_failed_and_why(worker: Worker):
    with pytest.raises(NotSucceeded, match="sign  failed there is nothing to sign"):
        worker.perform(WORDS.step("sign"), Words(""), results={"split": 1})


def test_a_job_that_waits_for_its_retry_did_not_succeed(worker: Worker):
    @step(queue="io")
    def ask(_ctx: Context) -> None:
        raise Transient("nobody answers")

    with pytest.raises(NotSucceeded, match="is retrying") as raised:
        worker.perform(ask)
    assert raised.value.job["steps"][0]["attempt"] == 1


def test_a_result_that_was_not_given_is_missed_by_name(worker: Worker):
    with pytest.raises(NotSucceeded, match="has no step split"):
        worker.perform(WORDS.step("sign"), Words("yours"))


def test_a_step_takes_its_arguments_as_the_pipeline_does(worker: Worker):
    with pytest.raises(TypeError, match="dataclass"):
        worker.perform(sign, {"text": "yours"})


def test_jobs_are_found_by_pipeline_and_by_some_of_their_arguments(database: Database, owner: str):
    with database.tenant(owner) as session:
        for mebibytes in (1, 1, 2):
            enqueue(session, "self_check", {"mebibytes": mebibytes}, owner_id=owner, subject="disk")
        assert len(assert_enqueued(session, self_check.PIPELINE, args=SelfCheck(1), subject="disk")) == 2
        assert_enqueued(session, "self_check", args={"mebibytes": 2}, count=1)
        assert_enqueued(session, "self_check", args={"mebibytes": 3}, count=0)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"args": {"mebibytes": 2}}, "expected a job of self_check with {'mebibytes': 2}, found 0"),
        ({"count": 2}, "expected 2 jobs of self_check with {}, found 1"),
        ({"count": 0}, "expected 0 jobs"),
        ({"subject": "disk"}, "about disk, found 0"),
    ],
)
def test_a_job_that_is_not_there_is_missed_with_a_list_of_those_that_are(
    database: Database, owner: str, wanted: dict, words: str
):
    with database.tenant(owner) as session:
        enqueue(session, "self_check", {"mebibytes": 1}, owner_id=owner)
        with pytest.raises(AssertionError, match=r"self_check \{'mebibytes': 1\}  queued") as raised:
            assert_enqueued(session, "self_check", **wanted)
    assert words in str(raised.value)


def test_a_pipeline_of_a_test_is_gone_after_it():
    with registered(WORDS):
        assert get_pipeline("words") is WORDS
    with pytest.raises(NotFound):
        get_pipeline("words")


def test_a_test_does_not_replace_a_pipeline_that_is_there():
    with pytest.raises(ValueError, match="self_check already"), registered(Pipeline("self_check", Words, (split,))):
        pass
    assert find_pipelines()["self_check"] is self_check.PIPELINE

"""The check as a job, with a language model that fails in every way."""

import dataclasses
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import confidentiality, jobs, videos
from db.engine import Database
from db.why import why_not_running
from pipelines.confidentiality import PIPELINE, Confidentiality, start
from testkit import NotSucceeded, Worker
from twins.running import Twins

WORDS = "The password is tangerine nine seven."
READ = {"findings": [], "addressed_to_reviewer": [], "last_unit_read": 1}


@pytest.fixture
def video_id(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        made = videos.insert_request(session, videos.Source("sample", "a.mp4", "a.mp4"), user_id=owner)
        assert made
        cues = [{"startMs": 0, "endMs": 4000, "text": WORDS}]
        videos.update_video(session, made[0], captions=cues, duration_ms=5000)
        return made[0]


def last(database: Database, owner: str, video_id: int) -> tuple[dict, str]:
    with database.tenant(owner) as session:
        check = confidentiality.find_last_check(session, video_id)
        assert check
        return dict(check), videos.get_video(session, video_id)["confidentiality_status"]


def test_a_model_that_read_everything_is_named(model: Twins, worker: Worker, database: Database, owner: str, video_id: int):
    model.put("openai.answers", "1", {"match": "tangerine", "say": READ})
    worker.perform(PIPELINE, Confidentiality(video_id))
    check, status = last(database, owner, video_id)
    assert (check["status"], check["overall_status"], status) == ("completed", "flagged", "flagged")
    assert "openai gpt-6-luna" in check["model_used"]
    assert check["ran"]["language_model"] == {"by": "openai gpt-6-luna", "pieces": 1, "unread": 0, "why_unread": None}


@pytest.mark.parametrize("answer", [{"say": "no JSON"}, {"refusal": "No."}, {"say": {**READ, "last_unit_read": 0}}])
def test_what_the_model_left_unread_is_an_error_with_what_the_rules_found(
    model: Twins, worker: Worker, database: Database, owner: str, video_id: int, answer: dict
):
    model.put("openai.answers", "1", {"match": "tangerine", **answer})
    assert worker.perform(PIPELINE, Confidentiality(video_id))["review"]["clear"] is False
    check, status = last(database, owner, video_id)
    assert (check["status"], check["overall_status"], status) == ("error", None, "error")
    assert "did not read 1 of 1 pieces" in check["error_message"]
    assert (check["high_count"], len(check["segments"])) == (1, 1)


def test_a_key_that_is_not_valid_leaves_an_error_that_says_what_to_do(
    model: Twins, worker: Worker, database: Database, owner: str, video_id: int
):
    model.fault("openai", "expired_token", times=3)
    worker.perform(PIPELINE, Confidentiality(video_id))
    check, _ = last(database, owner, video_id)
    assert (check["status"], "set OPENAI_API_KEY" in check["error_message"]) == ("error", True)


def test_an_endpoint_that_is_away_is_waited_for_and_nothing_is_cleared(
    model: Twins, worker: Worker, database: Database, owner: str, video_id: int
):
    model.fault("openai", "unavailable")
    with pytest.raises(NotSucceeded) as raised:
        worker.perform(PIPELINE, Confidentiality(video_id))
    assert raised.value.job["finished_at"] is None
    with database.tenant(owner) as session:
        assert videos.get_video(session, video_id)["confidentiality_status"] == "checking"


def test_while_the_endpoint_is_switched_off_the_check_waits_without_end_and_goes_on_by_itself(
    model: Twins, worker: Worker, database: Database, owner: str, video_id: int
):
    model.put("openai.answers", "1", {"match": "tangerine", "say": READ})
    with database.tenant(owner) as session:
        job_id = start(session, video_id, user_id=owner)[1]
    model.kill()
    try:
        for _ in range(6):  # once more than a step has attempts
            worker.drain()
            job = worker.job(job_id)
            with database.tenant(owner) as session:
                assert videos.get_video(session, video_id)["confidentiality_status"] == "checking"
            with database.jobs() as session:
                why = why_not_running(session, job_id, now=datetime.now(UTC))
                let_time_pass(session)
    finally:
        model.start()
    [review] = [each for each in job["steps"] if each["name"] == "review"]
    assert (review["status"], review["attempt"]) == ("queued", 0)
    assert why is not None
    assert why.operators.startswith("openai is unavailable until ")
    worker.drain()
    assert worker.job(job_id)["status"] == "succeeded"
    check, status = last(database, owner, video_id)
    assert (check["status"], status, check["ran"]["language_model"]["unread"]) == ("completed", "flagged", 0)


def let_time_pass(session: Session) -> None:
    """What waits for its time waits no longer."""
    session.execute(text("UPDATE jobs.breakers SET open_until = now(), opened_at = opened_at - interval '1 hour'"))
    session.execute(text("UPDATE jobs.job_steps SET available_at = now() WHERE status IN ('queued', 'retrying')"))


def test_asked_for_twice_it_is_one_check(worker: Worker, database: Database, owner: str, video_id: int):
    with database.tenant(owner) as session:
        first = start(session, video_id, user_id=owner)
    with database.tenant(owner) as session:
        assert start(session, video_id, user_id=owner) == first
    worker.drain()
    check, status = last(database, owner, video_id)
    assert (check["id"], check["status"], status) == (first[0], "completed", "flagged")
    assert "rules" in check["model_used"]


def test_a_spent_budget_is_waited_for(model: Twins, worker: Worker, database: Database, owner: str, video_id: int):
    with database.jobs() as session:
        jobs.set_budget(session, "openai", jobs.Per.DAY, 1)
    model.put("openai.answers", "1", {"match": "tangerine", "say": "no JSON"})  # a window of one unit is not halved
    worker.perform(PIPELINE, Confidentiality(video_id))
    with pytest.raises(NotSucceeded) as raised:
        worker.perform(PIPELINE, Confidentiality(video_id))
    assert {one["name"]: one["status"] for one in raised.value.job["steps"]}["review"] == "queued"
    assert len(model.records("openai.requests")) == 1


def test_an_older_check_that_ends_late_does_not_speak_for_the_video(database: Database, owner: str, video_id: int):
    clear = confidentiality.Result(clear=True, segments=[], summary="Nothing.", model_used="rules 1")
    with database.tenant(owner) as session:
        older = confidentiality.begin_check(session, video_id, triggered_by=owner)
        newer = confidentiality.begin_check(session, video_id, triggered_by=owner)
        confidentiality.end_check(session, video_id, older, clear)
        assert videos.get_video(session, video_id)["confidentiality_status"] == "checking"
        confidentiality.end_check(session, video_id, newer, dataclasses.replace(clear, clear=False, segments=[]))
        video = videos.get_video(session, video_id)
    assert (video["confidentiality_status"], video["last_confidentiality_check_id"]) == ("flagged", newer)

import threading
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import ProgrammingError

from core.errors import Conflict, Invalid, NotFound
from db import confidentiality, videos
from db.confidentiality import Decision
from db.engine import Database
from testkit import Worker
from tests.api_stub.conftest import bearer, is_problem


def segment(name: str, **values: Any) -> dict[str, Any]:
    plain = {"id": name, "startTime": "00:00:01", "endTime": "00:00:03", "category": "financial", "severity": "high"}
    return {**plain, "reason": "An amount", "confidence": 0.5, "resolutionStatus": "pending", **values}


@pytest.fixture
def video_id(database: Database, owner: str) -> int:
    """A video with captions and a check of two findings."""
    with database.tenant(owner) as session:
        made = videos.insert_request(session, videos.Source("sample", "a.mp4", "a.mp4"), user_id=owner)
        assert made
        cues = [{"startMs": 0, "endMs": 4000, "text": "The password is tangerine nine seven."}]
        videos.update_video(session, made[0], captions=cues, duration_ms=5000)
        segments = [segment("a"), segment("b", severity="low")]
        confidentiality.insert_check(
            session, made[0], triggered_by=owner, clear=False, segments=segments, summary="Two.", model_used="rules 1"
        )
        return made[0]


def decide(client: httpx.Client, video_id: int, name: str, status: str, note: str = "it is public") -> httpx.Response:
    body = {"segmentId": name, "resolutionStatus": status, "resolutionNote": note}
    return client.post(f"/api/videos/{video_id}/confidentiality-check/resolve-segment", json=body)


def status_of(client: httpx.Client, video_id: int) -> str:
    return client.get(f"/api/videos/{video_id}").json()["confidentialityStatus"]


def cleared_by(client: httpx.Client, video_id: int) -> str | None:
    return last(client, video_id)["cleared_by"]


def last(client: httpx.Client, video_id: int) -> dict[str, Any]:
    return client.get(f"/v1/videos/{video_id}/confidentiality-checks/last").json()["check"]


def test_only_the_last_decision_of_a_person_clears_a_check(client: TestClient, video_id: int, owner: str):
    first = decide(client, video_id, "a", "resolved").json()
    assert (first["overallStatus"], cleared_by(client, video_id), status_of(client, video_id)) == ("flagged", None, "flagged")
    second = decide(client, video_id, "b", "ignored", "small change").json()
    assert (second["overallStatus"], cleared_by(client, video_id), status_of(client, video_id)) == ("clear", owner, "clear")
    assert [(one["resolutionStatus"], one["resolvedBy"]) for one in second["segments"]] == [
        ("resolved", owner),
        ("ignored", owner),
    ]
    again = decide(client, video_id, "a", "pending", "").json()
    assert (again["overallStatus"], cleared_by(client, video_id), status_of(client, video_id)) == ("flagged", None, "flagged")
    assert "resolvedBy" not in again["segments"][0]
    told = client.get(f"/v1/videos/{video_id}/confidentiality-checks/last").json()["decisions"]
    assert [(one["segment_id"], one["decision"], one["note"]) for one in told] == [
        ("a", "pending", None),
        ("b", "ignored", "small change"),
        ("a", "resolved", "it is public"),
    ]


def test_without_a_reason_nothing_is_decided(client: TestClient, video_id: int):
    assert is_problem(decide(client, video_id, "a", "resolved", "  "), 400, "say why")
    assert is_problem(decide(client, video_id, "x", "resolved"), 404, "no finding x")
    assert is_problem(decide(client, video_id, "a", "gone"), 400)
    assert is_problem(client.post(f"/v1/videos/{video_id}/findings/a", json={"decision": "ignored"}), 422, "say why")
    assert client.post(f"/v1/videos/{video_id}/findings/a", json={"decision": "ignored", "note": "x"}).status_code == 200


def test_two_who_decide_at_once_lose_no_decision(database: Database, video_id: int, owner: str):
    def work(name: str) -> None:
        with database.tenant(owner) as session:
            confidentiality.decide(session, video_id, name, Decision.IGNORED, note="fine", by=owner)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with database.tenant(owner) as session:
        check = confidentiality.find_last_check(session, video_id)
    assert check is not None
    assert (check["overall_status"], check["cleared_by"]) == ("clear", owner)


def test_decisions_are_never_changed_and_never_another_persons(
    database: Database, client: TestClient, video_id: int, owner: str
):
    decide(client, video_id, "a", "resolved")
    for statement in ("UPDATE confidentiality_decisions SET note = 'x'", "DELETE FROM confidentiality_decisions"):
        with pytest.raises(ProgrammingError, match="permission denied"), database.tenant(owner) as session:
            session.execute(text(statement))
    with pytest.raises(ProgrammingError, match="row-level security"), database.tenant(owner) as session:
        confidentiality.decide(session, video_id, "b", Decision.IGNORED, note="x", by="somebody else")


def test_a_stranger_neither_sees_nor_decides(stranger: TestClient, video_id: int, bela: str):
    headers = bearer(bela)
    body = {"segmentId": "a", "resolutionStatus": "ignored", "resolutionNote": "mine"}
    url = f"/api/videos/{video_id}/confidentiality-check"
    assert stranger.get(url, headers=headers).status_code == 404
    assert stranger.post(url, headers=headers).status_code == 404
    assert stranger.post(f"{url}/resolve-segment", json=body, headers=headers).status_code == 404
    assert stranger.get("/api/unsecured-videos", headers=headers).json() == []


def test_what_is_not_clear_is_listed(client: TestClient, video_id: int):
    assert [one["id"] for one in client.get("/api/unsecured-videos").json()] == [video_id]
    page = client.get("/v1/unsecured-videos", params={"limit": 200})
    assert page.json()["items"][0]["confidentiality_status"] == "flagged"
    for name in "ab":
        decide(client, video_id, name, "ignored")
    assert client.get("/api/unsecured-videos").json() == []


def test_a_check_that_is_asked_for_runs_as_a_job_and_keeps_decisions(client: TestClient, worker: Worker, video_id: int):
    url = f"/api/videos/{video_id}/confidentiality-check"
    asked = client.post(url).json()
    assert (asked["status"], asked["overallStatus"], status_of(client, video_id)) == ("pending", None, "checking")
    assert client.post(url).json()["id"] == asked["id"]  # one that has not ended stands for it
    assert decide(client, video_id, "a", "ignored").status_code == 409
    worker.drain()
    done = client.get(url).json()
    assert (done["id"], done["status"], done["overallStatus"]) == (asked["id"], "completed", "flagged")
    assert last(client, video_id)["ran"]["language_model"] is None
    assert "captions of an earlier system" in done["modelUsed"]
    (found,) = done["segments"]
    assert decide(client, video_id, found["id"], "ignored", "an example").json()["overallStatus"] == "clear"
    again = client.post(f"/v1/videos/{video_id}/confidentiality-checks")
    assert again.status_code == 202
    worker.drain()
    newest = client.get(url).json()
    assert newest["id"] > done["id"]
    # The machine never clears what it found: a person said it of the check before, and the note is still there.
    assert (newest["overallStatus"], newest["segments"][0]["resolutionNote"]) == ("flagged", "an example")


def test_a_check_that_fails_leaves_the_video_uncleared(
    client: TestClient, worker: Worker, video_id: int, database: Database, owner: str
):
    url = f"/api/videos/{video_id}/confidentiality-check"
    client.post(url)
    with database.tenant(owner) as session:
        videos.update_video(session, video_id, captions=None)  # the words go before the job has run
    worker.drain()
    failed = client.get(url).json()
    assert (failed["status"], failed["overallStatus"], status_of(client, video_id)) == ("error", None, "error")
    assert "no transcript" in failed["errorMessage"]
    assert decide(client, video_id, "a", "ignored").status_code == 409
    assert is_problem(client.post(url), 400, "no transcript")


def test_it_works_on_the_page_without_a_script(client: TestClient, video_id: int, owner: str):
    page = client.get(f"/videos/{video_id}").text
    assert "2 of 2 still to decide on" in page
    assert f'action="/videos/{video_id}/findings/a"' in page
    answer = client.post(f"/videos/{video_id}/findings/a", data={"decision": "resolved", "note": "<b>public</b>"})
    assert f"by {owner}: &lt;b&gt;public&lt;/b&gt;" in answer.text
    client.post(f"/videos/{video_id}/findings/b", data={"decision": "ignored", "note": "fine"})
    assert f"cleared by {owner}" in client.get(f"/videos/{video_id}").text
    assert client.post(f"/videos/{video_id}/findings/b", data={"decision": "ignored", "note": ""}).status_code == 422


def test_errors_of_deciding(database: Database, video_id: int, owner: str):
    with database.tenant(owner) as session:
        with pytest.raises(Invalid):
            confidentiality.decide(session, video_id, "a", Decision.RESOLVED, note="", by=owner)
        with pytest.raises(NotFound):
            confidentiality.decide(session, video_id + 1, "a", Decision.RESOLVED, note="x", by=owner)
        confidentiality.begin_check(session, video_id, triggered_by=owner)
        with pytest.raises(Conflict, match="pending"):
            confidentiality.decide(session, video_id, "a", Decision.RESOLVED, note="x", by=owner)


# As earlier products wrote them, or a hand did since: whole seconds without words of ours, minutes, a number for an id, an unknown word.
OF_EARLIER_PRODUCTS = [
    {"id": "s1", "startTime": "00:00:02", "endTime": "00:00:04", "category": "other", "severity": "high", "reason": "a name"},
    {"startTime": "00:00:02", "severity": "odd", "reason": None},
    {"id": 1, "startTime": "0:02", "endTime": None, "confidence": "0.9", "resolutionStatus": None},
    {"startTime": 2, "endTime": "", "severity": ["high"], "category": {}, "rule": {}, "resolutionStatus": "open"},
]


@pytest.mark.parametrize("found", OF_EARLIER_PRODUCTS, ids=range(len(OF_EARLIER_PRODUCTS)))
def test_a_finding_of_an_earlier_product_is_grave_and_open_and_can_be_decided_on(
    client: TestClient, database: Database, video_id: int, owner: str, found: dict[str, Any]
):
    write = text("UPDATE confidentiality_checks SET segments = :segments").bindparams(bindparam("segments", type_=JSONB))
    other = {"id": "known", "severity": "low", "resolutionStatus": "pending"}
    with database.tenant(owner) as session:
        session.execute(write, {"segments": [found, other, "words"]})
    assert "2 of 2 still to decide on" in client.get(f"/videos/{video_id}").text
    assert decide(client, video_id, "known", "ignored").json()["overallStatus"] == "flagged"
    decided = decide(client, video_id, str(found.get("id", "segment-1")), "ignored").json()
    assert (decided["overallStatus"], status_of(client, video_id)) == ("clear", "clear")
    one = decided["segments"][0]
    assert (one["severity"], one["startSeconds"]) == ("high", 2)
    assert one["endSeconds"] >= 2
    assert all(isinstance(one[name], str) and one[name] for name in ("id", "category", "reason"))

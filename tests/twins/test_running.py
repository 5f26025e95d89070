import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import requests

from core.errors import Misconfigured
from tests.conftest import wait_until
from twins.address import read_address
from twins.authority import Authority
from twins.google.discovery import Discovery
from twins.google.fields import apply_mask, parse_mask
from twins.running import Twins

# As a product process would begin: nothing is set but the environment.
PROGRAM = textwrap.dedent("""
    import json, os, sys
    from dropbox import Dropbox
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery import build
    from openai import OpenAI

    google, box = json.loads(sys.stdin.read())
    endpoint = dict(token_uri="https://oauth2.googleapis.com/token", client_id="c", client_secret="s")
    drive = build("drive", "v3", credentials=Credentials(google["access_token"], refresh_token=google["refresh_token"], **endpoint))
    assert drive.about().get(fields="user").execute()["user"]["emailAddress"] == "a@example.com"
    assert Dropbox(box["access_token"]).users_get_current_account().email == "a@example.com"
    assert OpenAI(api_key="k").models.list().data
    places = build("places", "v1", developerKey="k").places()
    assert places.searchText(body={"textQuery": "nothing of this kind"}, fields="places.id").execute() == {}
    print("met")
""")


def test_a_program_meets_the_twins_by_its_environment_alone(twins: Twins) -> None:
    scope = "https://www.googleapis.com/auth/drive"
    tokens = [twins.grant("google", "a@example.com", [scope]), twins.grant("dropbox", "a@example.com", [])]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **twins.environment()}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(tokens),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "met\n", done.stderr


def test_a_host_without_a_twin_is_refused_and_complained_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Twins(tmp_path) as twins:
        for name, value in twins.environment().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get("https://elsewhere.example/", timeout=10)
        assert twins.complaints() == ["no twin: elsewhere.example:443"]


def test_twins_end_when_who_started_them_is_killed(tmp_path: Path) -> None:
    starter = "import sys, time; from pathlib import Path; from twins.running import Twins\n"
    starter += "twins = Twins(Path(sys.argv[1])); twins.start(); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", starter, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "up\n"
        parent.kill()
    pid = read_address(tmp_path).pid
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_fault_that_is_not_there_is_told_what_is(twins: Twins) -> None:
    with pytest.raises(Misconfigured, match="drive has no fault meteor; there are"):
        twins.fault("drive", "meteor")
    with pytest.raises(Misconfigured, match="there is no twin dropbx; there are"):
        twins.fault("dropbx", "cut")


def test_a_certificate_is_made_anew_only_when_a_name_is_missing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.ensure(["a.example"])
    first = authority.certificate.read_bytes()
    authority.ensure(["a.example"])
    assert authority.certificate.read_bytes() == first
    authority.ensure(["a.example", "b.example"])
    assert authority.certificate.read_bytes() != first


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("files/id", {"files": [{"id": "1"}]}),
        ("files(id,owner/name),next", {"files": [{"id": "1", "owner": {"name": "n"}}], "next": "t"}),
        ("files(owner(name))", {"files": [{"owner": {"name": "n"}}]}),
        ("*", {"files": [{"id": "1", "owner": {"name": "n", "mail": "m"}}], "next": "t"}),
    ],
)
def test_a_mask_leaves_what_it_names(mask: str, left: object) -> None:
    answer = {"files": [{"id": "1", "owner": {"name": "n", "mail": "m"}}], "next": "t"}
    assert apply_mask(parse_mask(mask), answer) == left


@pytest.mark.parametrize("mask", ["a(", "a)", "a,,b", "(a)", "a/", ""])
def test_a_mask_that_cannot_be_read_says_so(mask: str) -> None:
    with pytest.raises(ValueError, match="Invalid field selection"):
        parse_mask(mask)


def test_an_answer_that_the_discovery_document_forbids_is_found() -> None:
    drive = Discovery("drive", "v3")
    wrong = {"files": [{"size": 12, "modifiedTime": "yesterday", "titel": "x", "trashed": "no"}], "incompleteSearch": 1}
    assert len(list(drive.faults_of_body("FileList", wrong))) == 5
    right = {"files": [{"size": "12", "modifiedTime": "2026-11-25T12:00:00.000Z", "trashed": False}]}
    assert list(drive.faults_of_body("FileList", right)) == []

import json
import logging

import pytest
import structlog

from core.log import configure_log, get_logger, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("postgresql://anna:hunter2@db/askstephen", "hunter2"),
        ("GET /callback?code=4/0AbCdEf&state=xyz", "4/0AbCdEf"),
        ("opened http://127.0.0.1:8000/?token=kJ8s7d6f", "kJ8s7d6f"),
        ("key sk-abcdefghijklmnop123", "abcdefghijklmnop123"),
        ("jwt eyJhbGciOi.eyJzdWIiOiJh.c2lnbmF0dXJl", "eyJzdWIiOiJh"),
    ],
)
def test_a_credential_inside_a_text_is_struck_out(text: str, secret: str):
    assert secret not in redact(text)


def test_values_under_secret_names_are_struck_out_to_any_depth():
    shown = json.dumps(redact({"a": [{"refresh_token": "r1", "name": "x"}], "password": "p1", "size": 3}))
    assert "r1" not in shown
    assert "p1" not in shown
    assert '"name": "x"' in shown


def test_both_our_lines_and_the_libraries_are_redacted_json(capsys: pytest.CaptureFixture[str]):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_log(form="json")
        with structlog.contextvars.bound_contextvars(job_id="j1"):
            get_logger("test").info("job.started", api_key="very-secret")
            logging.getLogger("library").warning("calling https://u:very-secret@host/")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        logging.getLogger().handlers[:], _ = before[0], logging.getLogger().setLevel(before[1])
        structlog.reset_defaults()
    assert [line["event"].split()[0] for line in lines] == ["job.started", "calling"]
    assert lines[0]["job_id"] == "j1"
    assert "very-secret" not in json.dumps(lines)

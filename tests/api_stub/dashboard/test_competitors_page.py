"""The page of competitors, for who has none."""

import html
import json
import re
import shlex

from fastapi.testclient import TestClient

from tests.api_stub.conftest import app, client, config, stranger  # noqa: F401


def test_who_has_no_business_adds_one_and_may_then_watch(client: TestClient):  # noqa: F811
    assert 'action="/competitors/clients"' in client.get("/competitors").text
    sent = {"name": "Bäckerei Anna", "address": "Leeds", "keyword": "bakery"}
    assert client.post("/competitors/clients", data=sent, follow_redirects=False).headers["location"] == "/competitors#add"
    assert "Bäckerei Anna</option>" in client.get("/competitors").text


def test_the_line_beside_that_form_does_the_same(client: TestClient):  # noqa: F811
    [line] = re.findall(r'<code tabindex="0">(.*?leads-clients.*?)</code>', client.get("/competitors").text)
    words = shlex.split(html.unescape(line))
    assert client.post("/v1/leads-clients", json=json.loads(words[-1])).status_code == 201
    assert "NAME</option>" in client.get("/competitors").text

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from twins.running import Twins


class Finding(BaseModel):
    quote: str
    severity: Literal["low", "high"]


class Findings(BaseModel):
    findings: list[Finding]
    read: int


@pytest.fixture
def client(twins: Twins) -> Iterator[Any]:
    from openai import OpenAI

    twins.forget("openai.answers")
    with OpenAI(api_key="key", max_retries=0, timeout=10) as made:
        yield made


def complete(client: Any, words: str = "hello", **more: Any) -> Any:
    return client.chat.completions.create(model="gpt-6-luna", messages=[{"role": "user", "content": words}], **more)


def test_the_asked_shape_is_answered_with_the_least_or_with_what_was_scripted(twins: Twins, client: Any) -> None:
    messages = [{"role": "user", "content": "our margin is 40 %"}]
    parsed = client.chat.completions.parse(model="gpt-6-luna", messages=messages, response_format=Findings)
    assert parsed.choices[0].message.parsed == Findings(findings=[], read=0)
    scripted = {"findings": [{"quote": "40 %", "severity": "high"}], "read": 1}
    twins.put("openai.answers", "margin", {"match": "margin", "say": scripted})
    parsed = client.chat.completions.parse(model="gpt-6-luna", messages=messages, response_format=Findings)
    assert parsed.choices[0].message.parsed == Findings.model_validate(scripted)
    response = client.responses.parse(model="gpt-6-luna", input=messages, text_format=Findings, store=False)
    assert response.output_parsed == Findings.model_validate(scripted)
    asked = list(twins.records("openai.requests").values())[-1]
    assert (asked["path"], asked["body"]["store"]) == ("/v1/responses", False)
    assert "The twin read" in complete(client).choices[0].message.content


def test_answers_are_streamed_word_by_word(twins: Twins, client: Any) -> None:
    twins.put("openai.answers", "plan", {"match": "plan", "say": "First listen,\nthen write."})
    messages = [{"role": "user", "content": "a plan"}]
    chunks = list(complete(client, "a plan", stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "First listen,\nthen write."
    assert (chunks[-2].choices[0].finish_reason, chunks[-1].usage.completion_tokens) == ("stop", 4)
    with client.responses.stream(model="gpt-6-luna", input=messages) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(deltas) == stream.get_final_response().output_text == "First listen,\nthen write."
    assert len(deltas) == 4


def test_an_answer_may_break_off_be_refused_or_be_no_json(twins: Twins, client: Any) -> None:
    import openai

    def parse(words: str) -> Any:
        messages = [{"role": "user", "content": words}]
        return client.chat.completions.parse(model="gpt-6-luna", messages=messages, response_format=Findings)

    twins.put("openai.answers", "1", {"match": "long", "say": "x " * 100, "finish": "length"})
    twins.put("openai.answers", "2", {"match": "filtered", "say": "", "finish": "content_filter"})
    twins.put("openai.answers", "3", {"match": "refused", "refusal": "I can't help with that."})
    twins.put("openai.answers", "4", {"match": "broken", "say": '{"findings": ['})
    with pytest.raises(openai.LengthFinishReasonError):
        parse("long")
    with pytest.raises(openai.ContentFilterFinishReasonError):
        parse("filtered")
    refused = parse("refused").choices[0].message
    assert (refused.parsed, refused.refusal) == (None, "I can't help with that.")
    with pytest.raises(ValidationError):
        parse("broken")
    response = client.responses.create(model="gpt-6-luna", input="long")
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert client.responses.create(model="gpt-6-luna", input="refused").output[0].content[0].type == "refusal"


def test_texts_that_share_words_point_the_same_way(client: Any) -> None:
    texts = ["the plumber in Springfield", "a plumber near Springfield", "quarterly margin forecast"]
    vectors = [item.embedding for item in client.embeddings.create(model="text-embedding-3-small", input=texts).data]
    near, far = (sum(a * b for a, b in zip(vectors[0], vectors[other], strict=True)) for other in (1, 2))
    assert len(vectors[0]) == 1536
    assert near > far + 0.3
    short = client.embeddings.create(model="text-embedding-3-small", input="x", dimensions=8, encoding_format="float")
    assert len(short.data[0].embedding) == 8
    assert "gpt-6-luna" in [model.id for model in client.models.list()]


def test_a_request_that_the_sdk_types_forbid_is_refused(client: Any) -> None:
    import openai

    open_schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "open", "strict": True, "schema": open_schema}}
    for more in ({"extra_body": {"colour": "red"}}, {"response_format": form}, {"extra_body": {"messages": [{"role": "x"}]}}):
        with pytest.raises(openai.BadRequestError):
            complete(client, **more)


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("rate_limit", "RateLimitError", "rate_limit_exceeded"),
        ("quota", "RateLimitError", "insufficient_quota"),
        ("unavailable", "InternalServerError", None),
        ("expired_token", "AuthenticationError", "invalid_api_key"),
        ("forbidden", "PermissionDeniedError", "model_not_found"),
    ],
)
def test_faults_reach_the_client_as_the_errors_it_knows(
    twins: Twins, client: Any, kind: str, error: str, code: str | None
) -> None:
    import openai

    twins.fault("openai", kind, retry_after=7)
    with pytest.raises(getattr(openai, error)) as raised:
        complete(client)
    assert raised.value.code == code
    assert raised.value.response.headers.get("retry-after") == ("7" if kind == "rate_limit" else None)


def test_what_breaks_on_the_way_is_told_apart(twins: Twins, client: Any) -> None:
    import openai

    twins.fault("openai", "html")
    assert complete(client) == "<html>a gateway's page</html>"
    twins.fault("openai", "cut")
    with pytest.raises(openai.APIConnectionError):
        complete(client)
    twins.fault("openai", "dropped")
    with pytest.raises(openai.APIConnectionError):
        complete(client)
    twins.fault("openai", "slow", seconds=3)
    with pytest.raises(openai.APITimeoutError):
        complete(client.with_options(timeout=0.3))
    twins.fault("openai", "cut", after_bytes=600)
    with pytest.raises(openai.APIConnectionError):
        list(complete(client, stream=True))

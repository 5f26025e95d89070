"""An OpenAI-compatible endpoint: chat completions, which every such server speaks.

Nothing is retried here, because the platform does, and nothing is kept there (`store` off). The SDK's transport reads
the proxy and the authorities from the environment.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.errors import Misconfigured, Permanent, Unavailable
from core.settings import Settings
from pipelines.providers.language.base import BadAnswer, Declined, Shape, Turn
from pipelines.providers.language.prompt import fence, strict_schema

PROVIDER = "openai"
SECONDS = 30.0  # a step cannot be stopped while it waits longer
_MOST_TOKENS = 4000  # of an answer
_QUOTA_WAIT = timedelta(minutes=30)  # until somebody may have paid
_LONGEST_WAIT = timedelta(hours=6)
_UNAUTHORISED, _FORBIDDEN, _ABSENT = 401, 403, 404
_BUSY = {408, 409, 425, 429}
_ERRORS = 500


class Endpoint:
    """The model that the settings name, at the endpoint that they name."""

    provider = PROVIDER
    is_offline = False

    def __init__(self, config: Settings) -> None:
        self._config = config

    @property
    def name(self) -> str:
        return f"openai {self._config.language_model}"

    def ask(self, shape: type[Shape], instructions: str, evidence: object, *, by_rules: Callable[[], Shape]) -> Shape:  # noqa: ARG002
        adapter = TypeAdapter(shape)
        name = re.sub(r"\W+", "_", getattr(shape, "__name__", "answer"))[:64]
        form = {"name": name, "strict": True, "schema": strict_schema(adapter)}
        messages = _messages(instructions, evidence, ())
        with connected(self._config) as client:
            answer = client.chat.completions.create(
                model=self._config.language_model,
                messages=messages,
                response_format={"type": "json_schema", "json_schema": form},
                store=False,
                max_completion_tokens=_MOST_TOKENS,
            )
        content = _content(answer)
        try:
            return adapter.validate_json(content)
        except ValidationError as error:  # its text would quote the answer
            raise BadAnswer(
                f"{self.name} answered {len(content)} characters with {error.error_count()} faults of form"
            ) from None

    def tell(
        self,
        instructions: str,
        evidence: object,
        *,
        turns: Sequence[Turn] = (),
        by_rules: Callable[[], str],  # noqa: ARG002
    ) -> Iterator[str]:
        messages = _messages(instructions, evidence, turns)
        finish = None
        with connected(self._config) as client:
            stream = client.chat.completions.create(
                model=self._config.language_model,
                messages=messages,
                stream=True,
                store=False,
                max_completion_tokens=_MOST_TOKENS,
            )
            if isinstance(stream, str):
                raise BadAnswer(f"{self.name} answered a page instead of a stream")
            for chunk in stream:
                for choice in chunk.choices or ():
                    finish = choice.finish_reason or finish
                    if choice.delta and choice.delta.refusal:
                        raise Declined(f"{self.name} declined to answer")
                    if choice.delta and choice.delta.content:
                        yield choice.delta.content
        _require_whole(finish)


def _messages(instructions: str, evidence: object, turns: Sequence[Turn]) -> list[Any]:
    rule, fenced = fence(evidence)
    return [
        {"role": "system", "content": f"{instructions}\n\n{rule}"},
        {"role": "user", "content": fenced},
        *({"role": turn.role, "content": turn.text} for turn in turns),
    ]


def _content(answer: Any) -> str:  # noqa: ANN401  (a page where a gateway answers, or anything a server sends)
    """The text of a completion that came to its end. Raises BadAnswer, Declined."""
    choices = getattr(answer, "choices", None)
    if not choices or choices[0].message is None:
        raise BadAnswer("the endpoint answered something that is no completion")
    if choices[0].message.refusal:
        raise Declined("the model declined to answer")
    _require_whole(choices[0].finish_reason)
    return choices[0].message.content or ""


def _require_whole(finish: str | None) -> None:
    if finish == "content_filter":
        raise Declined("a filter before the model stopped its answer")
    if finish != "stop":
        raise BadAnswer(f"the answer broke off ({finish or 'without an end'})")


@contextmanager
def connected(config: Settings) -> Iterator[Any]:
    """A client; what it raises within the block is raised as an error of ours."""
    import openai

    key, address = config.openai_api_key.get_secret_value(), config.openai_base_url or None
    with openai.OpenAI(api_key=key or "none", base_url=address, timeout=SECONDS, max_retries=0) as client:
        try:
            yield client
        except openai.APIStatusError as error:
            raise _translated(error.status_code, error.code, error.response.headers) from None
        except openai.APIResponseValidationError:
            raise BadAnswer("the endpoint answered something that its own types forbid") from None
        except openai.APIError as error:  # no connection, none that lasted, or an error in the midst of a stream
            raise Unavailable(f"the language endpoint broke off ({type(error).__name__})", provider=PROVIDER) from None
        except ValueError:
            raise BadAnswer("the endpoint answered something that is no JSON") from None


def _translated(status: int, code: str | None, headers: Mapping[str, str]) -> Exception:
    if status == _UNAUTHORISED:
        return Misconfigured("the language endpoint does not know the key: set OPENAI_API_KEY to one that is valid")
    if status in {_FORBIDDEN, _ABSENT}:
        return Misconfigured("the key may not use this model at this address: see LANGUAGE_MODEL and OPENAI_BASE_URL")
    if code == "insufficient_quota":
        words = "the account's quota at the language endpoint is used up: its owner has to raise it"
        return Unavailable(words, provider=PROVIDER, retry_after=_QUOTA_WAIT)
    if status in _BUSY or status >= _ERRORS:
        return Unavailable(f"the language endpoint answered {status}", provider=PROVIDER, retry_after=_wait(headers))
    return Permanent(f"the language endpoint refuses the request ({status}{f', {code}' if code else ''})")


def _wait(headers: Mapping[str, str]) -> timedelta | None:
    """What Retry-After asks for, in seconds; a date, which no such server sends, counts as nothing."""
    asked = headers.get("retry-after", "")
    return min(timedelta(seconds=int(asked)), _LONGEST_WAIT) if asked.isdecimal() and len(asked) < 9 else None  # noqa: PLR2004

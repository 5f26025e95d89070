"""Requests that may be sent twice and are done once: the answer is kept with what the request did, in one transaction."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its sender names it: the endpoint, the key, and the body that the key stands for."""

    endpoint: str
    key: str
    body: Mapping[str, Any]

    @property
    def body_hash(self) -> str:
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()


_TAKE = text("""
INSERT INTO jobs.idempotency_keys (user_id, endpoint, key, request_hash) VALUES (:user_id, :endpoint, :key, :request_hash)
ON CONFLICT DO NOTHING RETURNING 1
""")
_NAMED = "WHERE user_id = :user_id AND endpoint = :endpoint AND key = :key"
_KEEP = text(f"UPDATE jobs.idempotency_keys SET response = :response {_NAMED}").bindparams(  # noqa: S608  (a constant)
    bindparam("response", type_=JSONB)
)
_FIND = text(f"SELECT request_hash, response FROM jobs.idempotency_keys {_NAMED}")  # noqa: S608  (a constant)


def answer_once(
    session: Session, user_id: str, request: Request, do: Callable[[Session], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """The answer, and whether it is the one that was given before. As the user.

    One that comes while the first is being done waits for it. Raises Invalid when the key stood for another body, and
    whatever `do` raises: the key is free again then.
    """
    named = {"user_id": user_id, "endpoint": request.endpoint, "key": request.key}
    if session.execute(_TAKE, {**named, "request_hash": request.body_hash}).first() is not None:
        response = do(session)
        session.execute(_KEEP, {**named, "response": response})
        return response, False
    before = session.execute(_FIND, named).one()
    if before.request_hash != request.body_hash:
        raise Invalid("this Idempotency-Key was sent with another body before: send a new key with a new request")
    answer: dict[str, Any] = before.response
    return answer, True

"""The twin of Clerk's keys and of its users' addresses, and the session tokens that it signs for whoever is to be signed in."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.requests import Request
from starlette.responses import Response

from twins.base import reply
from twins.faults import Fault
from twins.store import Store

ISSUER = "https://twin.clerk.accounts.dev"
_LIFETIME_SECONDS = 60
_USERS = "/v1/users/"


class Clerk:
    """The newest key signs; rotated ones leave the set at once."""

    name = "clerk"
    hosts = ("twin.clerk.accounts.dev", "api.clerk.com")
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "rate_limit": lambda fault: _error(429, "too_many_requests", {"Retry-After": str(fault.retry_after or 1)}),
        "unavailable": lambda _: _error(503, "service_unavailable"),
        "server_error": lambda _: _error(500, "internal_clerk_error"),
    }

    def __init__(self, store: Store) -> None:
        self._keys = store.table("clerk.keys")
        self._users = store.table("clerk.users")  # id → email, is_verified
        if not self._keys:
            self.rotate()

    def serves(self, path: str) -> bool:
        return path in {"/.well-known/jwks.json", "/v1/jwks"} or path.startswith(_USERS)

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        if path.startswith("/v1/") and not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return _error(401, "authentication_invalid")
        if path.startswith(_USERS):
            kept = self._users.get(path.removeprefix(_USERS))
            return _error(404, "resource_not_found") if kept is None else reply(_user(path.removeprefix(_USERS), kept))
        return reply({"keys": [_public(name, kept) for name, kept in self._keys.rows()]})

    def mint(self, claims: Mapping[str, Any]) -> str:
        """A session token, version 2. `claims` are added to what every token has, and win; None removes one."""
        name, kept = self._keys.rows()[-1]
        now = int(time.time())
        header = {"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": name, "typ": "JWT"}
        usual = {
            "iss": ISSUER,
            "sub": "user_twin",
            "sid": f"sess_{secrets.token_hex(13)}",
            "iat": now,
            "nbf": now - 10,
            "exp": now + _LIFETIME_SECONDS,
            "jti": secrets.token_hex(10),
            "fva": [0, -1],
            "sts": "active",
            "v": 2,
        }
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(payload).encode())}"
        return f"{signed}.{_encode(_private(kept).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def rotate(self) -> None:
        """A new key takes the place of all others."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=serialization.NoEncryption()
        )
        self._keys.clear()
        self._keys[f"ins_{secrets.token_hex(13)}"] = {"pem": pem.decode()}


def _user(user_id: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """As much of Clerk's user object as tells the addresses: the primary one, and one that is not verified."""
    status = "verified" if kept.get("is_verified", True) else "unverified"
    primary = {"id": f"idn_{user_id}", "object": "email_address", "email_address": kept["email"]}
    other = {"id": f"idn_{user_id}_2", "object": "email_address", "email_address": f"second.{kept['email']}"}
    return {
        "id": user_id,
        "object": "user",
        "primary_email_address_id": primary["id"],
        "email_addresses": [
            {**other, "verification": {"status": "unverified", "strategy": "email_code"}, "linked_to": []},
            {**primary, "verification": {"status": status, "strategy": "email_code"}, "linked_to": []},
        ],
    }


def _private(kept: Mapping[str, str]) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(kept["pem"].encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the twin's key is no RSA key")
    return key


def _public(name: str, kept: Mapping[str, str]) -> dict[str, str]:
    numbers = _private(kept).public_key().public_numbers()
    modulus, exponent = (_encode(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    return {"use": "sig", "kty": "RSA", "kid": name, "alg": "RS256", "n": modulus, "e": exponent}


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> Response:
    return reply({"errors": [{"code": code, "message": code, "long_message": code}]}, status, headers=headers)

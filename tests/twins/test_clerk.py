import base64
import json
import time
from typing import Any

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from twins.clerk import ISSUER
from twins.running import Twins


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_set() -> dict[str, Any]:
    return {key["kid"]: key for key in requests.get(f"{ISSUER}/.well-known/jwks.json", timeout=10).json()["keys"]}


def is_signed_by(token: str, key: dict[str, Any]) -> bool:
    signed, _, signature = token.rpartition(".")
    numbers = [int.from_bytes(decode(key[name]), "big") for name in ("e", "n")]
    try:
        rsa.RSAPublicNumbers(*numbers).public_key().verify(
            decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        return False
    return True


def test_a_minted_token_is_signed_by_the_published_key_and_says_what_was_asked(twins: Twins) -> None:
    token = twins.mint(sub="user_1", exp=int(time.time()) - 5, azp="https://product.example", sts=None)
    header, claims = (json.loads(decode(part)) for part in token.split(".")[:2])
    assert (header["alg"], header["cat"]) == ("RS256", "cl_B7d4PD111AAA")
    assert is_signed_by(token, key_set()[header["kid"]])
    assert (claims["iss"], claims["sub"], claims["v"], "sts" in claims) == (ISSUER, "user_1", 2, False)
    assert claims["exp"] < time.time()


def test_after_a_rotation_the_old_key_is_gone_and_a_kill_keeps_the_new_one(twins: Twins) -> None:
    old_token = twins.mint()
    old = key_set()
    twins.rotate_clerk_keys()
    new = key_set()
    assert not set(old) & set(new)
    assert not is_signed_by(old_token, next(iter(new.values())))
    twins.kill()
    twins.start()
    assert key_set() == new


def test_the_backend_address_wants_a_secret_key_and_may_be_down(twins: Twins) -> None:
    url = "https://api.clerk.com/v1/jwks"
    assert requests.get(url, timeout=10).status_code == 401
    keyed = {"Authorization": "Bearer sk_test_x"}
    assert requests.get(url, headers=keyed, timeout=10).json()["keys"]
    twins.fault("clerk", "unavailable")
    assert requests.get(url, headers=keyed, timeout=10).status_code == 503

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api_stub.app import create_app
from db import users
from tests.api_stub.conftest import bearer, is_problem
from twins.clerk import ISSUER
from twins.running import Twins

SITE = "https://app.example.com"


@pytest.fixture
def remote(database, storage, config, twins: Twins) -> Iterator[TestClient]:
    """An installation that takes the twin's session tokens, and is not in local mode."""
    told = {"local_mode": False, "clerk_issuer": ISSUER, "clerk_parties": SITE, "clerk_secret_key": SecretStr("sk_twin")}
    with TestClient(create_app(database, storage, config.model_copy(update=told)), base_url=SITE) as client:
        yield client


def who(client: TestClient, token: str) -> httpx.Response:
    return client.get("/api/auth/user", headers=bearer(token))


def encode(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_a_user_is_there_from_the_first_token_on_with_clerks_id(remote, twins: Twins):
    for _ in range(2):
        answer = who(remote, twins.mint(sub="user_2abc", azp=SITE))
        assert (answer.status_code, answer.json()["id"], answer.json()["role"]) == (200, "user_2abc", "creative")


def test_a_role_that_was_given_stays(remote, twins: Twins, database, owner):
    answer = who(remote, twins.mint(sub=owner, azp=SITE))
    assert answer.json()["role"] == "superadmin"


def asked(twins: Twins, for_what: str) -> int:
    return sum(for_what in one["request"] for one in twins.seen("clerk"))


def test_keys_and_an_address_are_asked_for_once(remote, twins: Twins):
    before = asked(twins, "jwks"), asked(twins, "users")
    twins.put("clerk.users", "user_1", {"email": "one@example.com"})
    for _ in range(3):
        assert who(remote, twins.mint(sub="user_1", azp=SITE)).json()["email"] == "one@example.com"
    assert (asked(twins, "jwks"), asked(twins, "users")) == (before[0] + 1, before[1] + 1)


def test_an_address_that_changes_at_clerk_changes_here(remote, twins: Twins):
    for address in ("old@example.com", "new@example.com"):
        twins.put("clerk.users", "user_1", {"email": address})
        remote.app.state.clerk._ask_address_after.clear()
        assert who(remote, twins.mint(sub="user_1", azp=SITE)).json()["email"] == address
    before = asked(twins, "users")
    for address in ("claimed@example.com", "again@example.com"):
        token = twins.mint(sub="user_1", azp=SITE, email=address, email_verified=True)
        assert who(remote, token).json()["email"] == address
    assert asked(twins, "users") == before  # the token tells


def test_an_address_that_nobody_verified_is_none(remote, twins: Twins):
    twins.put("clerk.users", "user_1", {"email": "typed@example.com", "is_verified": False})
    assert who(remote, twins.mint(sub="user_1", azp=SITE)).json()["email"] is None
    for claims in ({}, {"email_verified": False}, {"email_verified": "false"}):
        token = twins.mint(sub="user_2", azp=SITE, email="typed@example.com", **claims)
        assert who(remote, token).json()["email"] is None


def test_an_address_that_another_user_has_stays_theirs(remote, twins: Twins):
    token = twins.mint(sub="user_1", azp=SITE, email="one@example.com", email_verified=True)
    assert who(remote, token).json()["email"] == "one@example.com"
    with structlog.testing.capture_logs() as told:
        taken = twins.mint(sub="user_2", azp=SITE, email="ONE@example.com", email_verified=True)
        assert who(remote, taken).json()["email"] is None
    assert who(remote, token).json()["email"] == "one@example.com"
    assert [one["user_id"] for one in told if one["event"] == "user.address_taken"] == ["user_2"]
    assert "@example.com" not in str(told)


@pytest.mark.parametrize("fault", ["unavailable", "rate_limit", "lost"])
def test_who_signs_in_while_addresses_cannot_be_had_is_signed_in(remote, twins: Twins, fault):
    twins.put("clerk.users", "user_1", {"email": "one@example.com"})
    twins.fault("clerk", fault, match="users")
    assert who(remote, twins.mint(sub="user_1", azp=SITE)).json()["email"] is None
    remote.app.state.clerk._ask_address_after.clear()
    assert who(remote, twins.mint(sub="user_1", azp=SITE)).json()["email"] == "one@example.com"


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": None},
        {"iss": None},
        {"exp": None},
        {"iss": "https://other.clerk.accounts.dev"},
        {"azp": "https://evil.example.com"},
        {"sts": "pending"},
        {"sub": None},
        {"sid": None},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_opens_nothing(remote, twins: Twins, claims):
    assert is_problem(who(remote, twins.mint(**{"azp": SITE, **claims})), 401)


@pytest.mark.parametrize("claims", [{"exp": -60}, {"exp": -7}, {"nbf": 3600}], ids=str)
def test_a_token_out_of_its_time_opens_nothing(remote, twins: Twins, claims):
    now = int(time.time())
    assert is_problem(who(remote, twins.mint(azp=SITE, **{name: now + off for name, off in claims.items()})), 401)


@pytest.mark.parametrize("claims", [{"nbf": 3}, {"exp": -1}, {"iat": 3}], ids=lambda claims: next(iter(claims)))
def test_a_clock_that_is_a_little_off_is_forgiven(remote, twins: Twins, claims):
    assert who(remote, twins.mint(azp=SITE)).status_code == 200  # the keys are had: what follows takes no time of its own
    now = int(time.time())
    assert who(remote, twins.mint(azp=SITE, **{name: now + off for name, off in claims.items()})).status_code == 200


def tampered(token: str, **claims: object) -> str:
    head, body, signature = token.split(".")
    old = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{encode({**old, **claims})}.{signature}"


def unsigned(token: str) -> str:
    return f"{encode({'alg': 'none', 'typ': 'JWT', 'kid': kid_of(token)})}.{token.split('.')[1]}."


def kid_of(token: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))["kid"])


def resigned(token: str) -> str:
    """Signed by a key of one's own, under the name of the issuer's."""
    signed = token.rpartition(".")[0]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return f"{signed}.{base64.urlsafe_b64encode(key.sign(signed.encode(), PKCS1v15(), SHA256())).rstrip(b'=').decode()}"


def confused(token: str, secret: bytes) -> str:
    """Signed as HS256 with what everybody can read."""
    signed = f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': kid_of(token)})}.{token.split('.')[1]}"
    return f"{signed}.{base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).rstrip(b'=').decode()}"


def test_a_forged_token_opens_nothing(remote, twins: Twins):
    good = twins.mint(azp=SITE)
    [key] = httpx.get(f"{ISSUER}/.well-known/jwks.json").json()["keys"]
    public = base64.urlsafe_b64decode(key["n"] + "==")
    numbers = rsa.RSAPublicNumbers(*(int.from_bytes(base64.urlsafe_b64decode(key[name] + "==")) for name in ("e", "n")))
    pem, der = (
        numbers.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
        for form in (serialization.Encoding.PEM, serialization.Encoding.DER)
    )
    forged = [
        confused(good, pem),
        confused(good, der),
        resigned(good),
        tampered(good, sub="user_other"),
        unsigned(good),
        confused(good, public),
        confused(good, json.dumps(key).encode()),
    ]
    for token in [*forged, "", "a.b.c", "....", good[:-6], "é.é.é"]:
        assert remote.get("/api/auth/user", headers=[(b"authorization", f"Bearer {token}".encode())]).status_code == 401
    assert who(remote, good).status_code == 200


def test_keys_are_turned(remote, twins: Twins):
    old = twins.mint(azp=SITE)
    assert who(remote, old).status_code == 200
    twins.rotate_clerk_keys()
    new = twins.mint(azp=SITE)
    assert who(remote, old).status_code == 200  # until the set is asked for again
    remote.app.state.clerk._ask_after = 0
    assert who(remote, new).status_code == 200
    assert who(remote, old).status_code == 401


def test_tokens_of_keys_that_nobody_has_make_no_storm(remote, twins: Twins):
    assert who(remote, twins.mint(azp=SITE)).status_code == 200
    before = asked(twins, "jwks")
    for number in range(5):
        token = f"{encode({'alg': 'RS256', 'kid': f'ins_{number}'})}.{encode({})}.AAAA"
        assert who(remote, token).status_code == 401
    assert asked(twins, "jwks") == before


def test_while_the_issuer_is_away_keys_that_are_known_go_on(remote, twins: Twins):
    twins.fault("clerk", "unavailable", times=50)
    answer = who(remote, twins.mint(azp=SITE))
    assert is_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    twins.clear_faults()
    remote.app.state.clerk._ask_after = 0
    assert who(remote, twins.mint(azp=SITE)).status_code == 200
    twins.fault("clerk", "unavailable", times=50)
    remote.app.state.clerk._fresh_until = remote.app.state.clerk._ask_after = 0
    assert who(remote, twins.mint(azp=SITE)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 401),
        ({"sec-fetch-site": "same-site"}, 401),
        ({"origin": "https://evil.example.com"}, 401),
        ({"origin": SITE}, 200),
        ({}, 200),
    ],
)
def test_the_cookie_is_taken_from_our_own_pages_only(remote, twins: Twins, headers, status):
    remote.cookies.set("__session", twins.mint(azp=SITE))
    assert remote.get("/api/auth/user", headers=headers).status_code == status


def test_a_cookie_without_any_word_of_where_it_is_from_writes_nothing(remote, twins: Twins):
    remote.cookies.set("__session", twins.mint(azp=SITE))
    assert remote.post("/v1/jobs", json={"pipeline": "self_check"}).status_code == 401


def test_without_an_issuer_no_token_is_taken(stranger, twins: Twins, database):
    assert who(stranger, twins.mint(sub="user_2abc")).status_code == 401
    with database.jobs() as session, pytest.raises(Exception, match="no user"):
        users.get_role(session, "user_2abc")

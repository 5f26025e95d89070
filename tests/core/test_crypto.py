import base64
import stat
import threading
from pathlib import Path

import pytest

from core.crypto import KeyRing, Place
from core.errors import Misconfigured, Permanent
from core.settings import Settings

HERE = Place("cloud_connections", "7", "access_token")


def ring(*kids: str) -> KeyRing:
    return KeyRing({kid: bytes([len(kid)]) * 32 for kid in kids})


def test_what_is_sealed_opens_at_its_place_and_shows_nothing():
    sealed = ring("a").seal("wörd", HERE)
    assert sealed.startswith("v1:a:")
    assert "wörd" not in sealed
    assert ring("a").unseal(sealed, HERE) == "wörd"
    assert ring("a").seal("wörd", HERE) != sealed


@pytest.mark.parametrize(
    "elsewhere",
    [Place("cloud_connections", "8", "access_token"), Place("cloud_connections", "7", "refresh_token"), Place("x", "7", "y")],
)
def test_at_another_place_it_does_not_open(elsewhere):
    with pytest.raises(Permanent, match="moved from elsewhere"):
        ring("a").unseal(ring("a").seal("word", HERE), elsewhere)


@pytest.mark.parametrize("at", range(3))
def test_one_changed_byte_is_seen(at):
    head, _, last = ring("a").seal("word", HERE).rpartition(":")
    raw = bytearray(base64.b64decode(last))
    raw[at] ^= 1
    with pytest.raises(Permanent):
        ring("a").unseal(f"{head}:{base64.b64encode(raw).decode()}", HERE)


@pytest.mark.parametrize("text", ["", "plain", "v1:a:", "v2:a:b:c", "v1:a:b:c", "v1:a:%:%"])
def test_what_was_never_sealed_is_told_apart(text):
    with pytest.raises(Permanent):
        ring("a").unseal(text, HERE)


def test_a_turned_ring_opens_what_its_older_key_sealed_and_says_when_that_is_gone():
    sealed = ring("a").seal("word", HERE)
    turned = ring("bb", "a")
    assert turned.unseal(sealed, HERE) == "word"
    assert turned.seal("word", HERE).startswith("v1:bb:")
    with pytest.raises(Misconfigured, match="lacks key 'a'"):
        ring("bb").unseal(sealed, HERE)


@pytest.mark.parametrize("text", ["a", "a:", "a:AAAA", ":" + base64.b64encode(b"x" * 32).decode(), "a:%%%", ","])
def test_a_ring_that_is_none_is_refused(text):
    with pytest.raises(Misconfigured):
        KeyRing.parse(text)


def test_a_ring_shows_no_key():
    assert "\\x" not in repr(ring("a"))


def test_processes_that_make_the_homes_ring_at_once_agree(tmp_path: Path):
    config = Settings(askstephen_home=tmp_path, secret_keys="", _env_file=None)
    rings, ready = [], threading.Barrier(6)

    def make() -> None:
        ready.wait()
        rings.append(KeyRing.of(config))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 6
    assert all(one == rings[0] for one in rings)
    [path] = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

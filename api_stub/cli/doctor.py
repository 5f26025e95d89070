"""`doctor`: what is found, what is missing, what to do."""

import argparse
import subprocess
from collections.abc import Callable
from pathlib import Path

from core.errors import Misconfigured
from core.local_stack.programs import find_media, find_postgres, find_valkey


def doctor(_options: argparse.Namespace) -> int:
    """Status 0 when everything that `up` needs is there."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("PostgreSQL", lambda: _version(find_postgres() / "postgres", "--version")),
        ("Valkey", lambda: _version(find_valkey(), "--version")),
        ("ffmpeg", lambda: _media("ffmpeg")),
        ("ffprobe", lambda: _media("ffprobe")),
    ]
    return max([_tell(name, look) for name, look in checks])


def _tell(name: str, look: Callable[[], str]) -> int:
    try:
        print(f"ok       {name:<12} {look()}")
    except Misconfigured as error:
        print(f"MISSING  {name:<12} {error}")
        return 1
    return 0


def _media(name: str) -> str:
    found = find_media(name)
    if found is None:
        raise Misconfigured(f"{name} was not found: run ./askstephen up once, or install it (Debian: apt-get install ffmpeg)")
    return _version(found, "-version")


def _version(program: Path, flag: str) -> str:
    done = subprocess.run([program, flag], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Misconfigured(f"{program} does not run: {done.stderr.strip()[-200:]}")
    return done.stdout.splitlines()[0]

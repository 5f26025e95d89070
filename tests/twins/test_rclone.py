import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import lack
from tests.twins.google import DRIVE_SCOPES
from twins.running import Twins

Rclone = Callable[..., str]


@pytest.fixture
def rclone(twins: Twins, tmp_path: Path) -> Rclone:
    """An independent client of both services, on accounts of its own."""
    if shutil.which("rclone") is None:
        lack("rclone was not found: apt-get install rclone")
    lines: list[str] = []
    for name, kind, service, scopes in (("gd", "drive", "google", DRIVE_SCOPES), ("box", "dropbox", "dropbox", [])):
        granted = twins.grant(service, f"{tmp_path.name}@example.com", scopes)
        token = {name: granted[name] for name in ("access_token", "token_type", "refresh_token")}
        lines += [f"[{name}]", f"type = {kind}", "client_id = c", "client_secret = s"]
        lines += [f"token = {json.dumps({**token, 'expiry': '2020-01-01T00:00:00Z'})}"]  # over: it refreshes first
        lines += ["scope = drive"] if kind == "drive" else ["batch_mode = off"]
    (tmp_path / "rclone.conf").write_text("\n".join(lines))

    def run(*words: str) -> str:
        authority = str(twins.home / "authority.pem")
        done = subprocess.run(
            ["rclone", "--config", str(tmp_path / "rclone.conf"), "--ca-cert", authority, "--retries", "1", *words],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(("remote", "hash_name"), [("gd", "md5"), ("box", "dropbox")])
def test_rclone_copies_checks_and_lists_the_same_files_with_the_same_hashes(
    twins: Twins, rclone: Rclone, tmp_path: Path, remote: str, hash_name: str
) -> None:
    folder = tmp_path / "clips"
    (folder / "deep er").mkdir(parents=True)
    for name, size in (("a.mp4", 9_000_000), ("deep er/Größe's.mp4", 1000), ("empty.mp4", 0)):
        (folder / name).write_bytes(random.Random(name).randbytes(size))
    (folder / "deep er" / "text").write_text("-" * 100 + "x" * 100)
    rclone("copy", str(folder), f"{remote}:Videos")
    rclone("check", str(folder), f"{remote}:Videos")
    assert sorted(rclone("hashsum", hash_name, f"{remote}:Videos").splitlines()) == sorted(
        rclone("hashsum", hash_name, str(folder)).splitlines()
    )
    part = rclone("cat", "--offset", "100", "--count", "50", f"{remote}:Videos/deep er/text")
    assert part == "x" * 50
    rclone("deletefile", f"{remote}:Videos/a.mp4")
    assert sorted(rclone("lsf", "-R", f"{remote}:Videos").splitlines()) == [
        "deep er/",
        "deep er/Größe's.mp4",
        "deep er/text",
        "empty.mp4",
    ]

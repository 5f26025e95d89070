"""`python -m tests.crash.soak.disks FOLDER=BYTES… -- PROGRAM…`: becomes PROGRAM, which finds a small disk at each FOLDER.

They are seen in its mount namespace only: others reach them by `/proc/<its process>/root`, and they go with the last process in it.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.sandbox import kernel


def may_mount() -> bool:
    return kernel.LINUX and os.geteuid() == 0 and shutil.which("unshare") is not None


def confined(sizes: Mapping[Path, int], argv: Sequence[str]) -> list[str]:
    """The command that gives `argv` these disks, made as user `nobody`'s where that is to write."""
    return [
        sys.executable,
        "-m",
        "tests.crash.soak.disks",
        *(f"{folder}={size}" for folder, size in sizes.items()),
        "--",
        *argv,
    ]


def fill(folder: Path) -> None:
    """Leave not one byte."""
    with (folder / "ballast").open("ab") as file:
        step = 1 << 20
        while step >= 1:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
            except OSError:
                step //= 2


def relieve(folder: Path) -> None:
    (folder / "ballast").unlink(missing_ok=True)


def main(words: Sequence[str]) -> None:
    """Never returns."""
    split = words.index("--")
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for word in words[:split]:
        folder, _, size = word.rpartition("=")
        Path(folder).mkdir(parents=True, exist_ok=True)
        kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"size={size},mode=755")
    os.execvp(words[split + 1], words[split + 1 :])


if __name__ == "__main__":
    main(sys.argv[1:])

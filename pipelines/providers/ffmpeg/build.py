"""What the installed ffmpeg can do, for `doctor` and for the choice of filters."""

import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from core.errors import Misconfigured
from pipelines.providers.ffmpeg.command import program

_TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Build:
    """One ffmpeg: its first line of `-version`, its configuration, and the parts that we use."""

    path: str
    version: str
    configuration: str
    libx264: bool
    aac: bool
    zscale: bool

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values."""
        return asdict(self)


@cache
def build_info() -> Build:
    """The ffmpeg that steps will use. Raises Misconfigured when there is none, or it does not start."""
    lines = _ask("-version").splitlines()
    configuration = next((line.partition(":")[2].strip() for line in lines if line.startswith("configuration")), "")
    encoders, filters = _names("-encoders"), _names("-filters")
    path = program("ffmpeg")
    return Build(path, lines[0], configuration, "libx264" in encoders, "aac" in encoders, {"zscale", "tonemap"} <= filters)


def _names(option: str) -> set[str]:
    return {parts[1] for line in _ask(option).splitlines() if len(parts := line.split()) > 1}


def _ask(option: str) -> str:
    argv = [program("ffmpeg"), "-nostdin", "-hide_banner", option]
    argv = [part for part in argv if option != "-version" or part != "-hide_banner"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(f"ffmpeg at {argv[0]} does not start: reinstall it (Debian: apt-get install ffmpeg)") from error
    return done.stdout

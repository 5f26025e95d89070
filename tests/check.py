"""The one check command: format, lint, types, import contracts, tests. `./askstephen test [pytest arguments]`."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = (
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("types", ["mypy"]),
    ("imports", ["lint-imports"]),
)


def run(name: str, argv: list[str], environment: dict[str, str]) -> bool:
    """Run one tool, say how long it took, show its output where it fails."""
    started = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(f"{name:<8} {'ok' if done.returncode == 0 else 'FAILED':<6} {time.monotonic() - started:5.1f} s", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    """Everything runs even when an early tool fails; the status is that of all together."""
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    passed = [run(name, argv, environment) for name, argv in TOOLS] if not arguments else []
    workers = [] if arguments else ["-n", str(min(5, 1 + (os.cpu_count() or 1))), "--dist", "loadgroup"]
    tests = subprocess.run([sys.executable, "-m", "pytest", *workers, *arguments], cwd=ROOT, env=environment, check=False)
    return 0 if all(passed) and tests.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

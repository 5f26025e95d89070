"""The one check command: format, lint, types, import contracts, tests. `./askstephen test [pytest arguments]`."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the hundred processes that tests start compiles what it imports
PYTEST = (sys.executable, "-m", "pytest")
QUICK = (
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("imports", ["lint-imports"]),
    # Once here, and not once in each process of the tests: asserts are rewritten and everything is compiled.
    ("collect", [*PYTEST, "--collect-only", "-qq"]),
)


def run(name: str, argv: list[str]) -> bool:
    """Run one tool, say how long it took, show its output where it fails."""
    started = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    print(f"{name:<8} {'ok' if done.returncode == 0 else 'FAILED':<6} {time.monotonic() - started:5.1f} s", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def run_tests(*arguments: str) -> bool:
    return subprocess.run([*PYTEST, *arguments], cwd=ROOT, env=ENVIRONMENT, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Everything runs even when an early tool fails; the status is that of all together."""
    if arguments:
        return 0 if run_tests(*arguments) else 1
    with ThreadPoolExecutor() as beside:
        types = beside.submit(run, "types", ["mypy"])  # takes as long as all that is quick
        passed = [run(name, argv) for name, argv in QUICK]
        passed.append(run_tests("-n", str(min(5, 1 + (os.cpu_count() or 1)))))
    return 0 if all(passed) and types.result() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`bench`: runs one of the scripts of `benchmarks/`."""

import argparse
import subprocess
import sys

from api_stub.cli import ROOT
from core.errors import NotFound


def bench(options: argparse.Namespace) -> int:
    """The script's status; without a name, the list of scripts."""
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
    if options.name is None:
        print("\n".join(names))
        return 0
    if options.name not in names:
        raise NotFound(f"there is no benchmark {options.name!r}; there are: {', '.join(names)}")
    arguments = [
        *(["--quick"] if options.quick else []),
        *(["--data", str(options.data)] if options.data else []),
        *options.more,
    ]
    return subprocess.run([sys.executable, "-m", f"benchmarks.{options.name}", *arguments], cwd=ROOT, check=False).returncode

"""`soak`: the long crash suite of `tests/crash/soak`."""

import argparse
import subprocess
import sys

from api_stub.cli import ROOT


def soak(options: argparse.Namespace) -> int:
    """The suite's status: 0 only if every promise held."""
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    argv = [sys.executable, "-m", "tests.crash.soak", "--minutes", str(options.minutes), *seed, "--only", *options.only]
    return subprocess.run(argv, cwd=ROOT, check=False).returncode

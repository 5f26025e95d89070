"""`python -m tests.crash.soak --minutes N [--seed S]`: status 0 only if everything held."""

import argparse
import secrets
import sys

import pipelines
from tests.crash.soak.run import Plan, soak
from tests.crash.soak.words import show, tell
from tests.crash.test_up import DROPIN

_JOBS_A_MINUTE = 20_000 / 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="./askstephen soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(100_000))
    parser.add_argument("--jobs", type=int, help="default: 20 000 in 30 minutes, and as many in proportion")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="faults whose name has one of these words")
    options = parser.parse_args()
    pipelines.__path__.append(str(DROPIN / "pipelines"))
    tell(f"seed {options.seed}: {options.minutes} minutes")
    jobs = options.jobs or round(options.minutes * _JOBS_A_MINUTE)
    figures = soak(Plan(options.minutes * 60, jobs, options.seed, only=tuple(options.only)))
    sys.stdout.write(show(figures))
    return 1 if figures["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())

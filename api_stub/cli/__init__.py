"""The command line: `./askstephen WORD`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from core.settings import Settings

ROOT = Path(__file__).parents[2]  # of the checkout


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings of the environment and of `.env`, but for what the command line says."""
    said = vars(options)
    return Settings(**{name: said[name] for name in said.keys() & Settings.model_fields.keys()})


def add_home(word: argparse.ArgumentParser, what: str) -> None:
    """Add the option `--home`, which says `what` is there."""
    word.add_argument(
        "--home",
        dest="askstephen_home",
        metavar="FOLDER",
        type=Path,
        default=argparse.SUPPRESS,
        help=f"{what} (default: ASKSTEPHEN_HOME, else .local)",
    )


def span(unit: str, *, most: float) -> Callable[[str], float]:
    """Reads an option that is a number of these units: more than none, and so many at most."""

    def read(told: str) -> float:
        try:
            number = float(told)
        except ValueError:
            number = 0.0
        if not 0 < number <= most:
            raise argparse.ArgumentTypeError(f"{told!r} is not a number of {unit} above 0, and {most:g} at most")
        return number

    return read

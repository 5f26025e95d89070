"""The command line: `./askstephen WORD`."""

import argparse
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

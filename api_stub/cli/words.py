"""Every word of `./askstephen WORD`, and what it says when something is wrong."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from api_stub.cli import add_home, span
from api_stub.cli.bench import bench
from api_stub.cli.demo import demo
from api_stub.cli.doctor import doctor
from api_stub.cli.keys import add_key_words, list_keys
from api_stub.cli.schema import add_schema_words
from api_stub.cli.soak import soak
from api_stub.cli.twins import add_twin_words, twins_up
from api_stub.cli.up import link, up
from core.errors import AskStephenError
from core.settings import env_example
from db.engine import in_a_line


def _settings(_options: argparse.Namespace) -> int:
    print(env_example())
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Every word with its options."""
    parser = argparse.ArgumentParser(
        prog="./askstephen", description="AskStephen's job platform.", epilog="`./askstephen test` runs every check."
    )
    words = parser.add_subparsers(required=True, metavar="WORD")

    def add(name: str, function: Callable[[argparse.Namespace], int], words_of_help: str) -> argparse.ArgumentParser:
        word = words.add_parser(name, help=words_of_help, description=words_of_help)
        word.set_defaults(function=function)
        return word

    start = add("up", up, "Start everything on this machine and print the dashboard's address. Ctrl-C stops it.")
    start.add_argument(
        "--port",
        type=int,
        default=argparse.SUPPRESS,
        help="port of the web page; 0 takes a free one (default: PORT, else 8000)",
    )
    start.set_defaults(local_mode=True)
    look = add("doctor", doctor, "Tell what was found on this machine, what is missing and what to do, and try each engine.")
    keys = add_key_words(
        add("key", list_keys, "Make, list and revoke API keys of a running installation; seal its tokens anew.")
    )
    for word in (start, look, *keys, add("link", link, "Print a new link that signs you in to a running dashboard.")):
        add_home(word, "folder for databases, files and logs")
    show = add("demo", demo, "Run the whole main job on two bundled clips in a home of its own, and judge what comes out.")
    show.add_argument("--keep", action="store_true", help="keep it running afterwards, to look at it; Ctrl-C ends it")
    show.add_argument("--all", action="store_true", help="every path and every use, with the services outside as twins")
    show.add_argument(
        "--storm", action="store_true", help="with --all: every tenth answer of the twins is bad, each process is killed once"
    )
    measure = add("bench", bench, "Run a benchmark; without a name, list them.")
    measure.add_argument("name", nargs="?", help="which one")
    measure.add_argument("--quick", action="store_true", help="a smaller run, under five minutes")
    measure.add_argument("--data", type=Path, help="folder with the data that the benchmark needs")
    measure.add_argument("more", nargs=argparse.REMAINDER, help="options of that benchmark alone")
    storm = add("soak", soak, "Run random jobs while random processes and servers are killed, and compare what came out.")
    storm.add_argument(
        "--minutes", type=span("minutes", most=10_000), default=30, help="how long jobs are enqueued (default: 30)"
    )
    storm.add_argument("--seed", type=int, help="the same seed draws the same jobs and faults")
    storm.add_argument("--only", nargs="*", default=[], metavar="WORD", help="only faults whose name has one of these words")
    add_twin_words(
        add(
            "twins",
            twins_up,
            "Serve Drive, Dropbox, YouTube, Places, OpenAI and Clerk on this machine, to try without accounts.",
        )
    )
    add_schema_words(add("schema", _settings, "Compare two databases' tables, or adopt a database of an earlier generation."))
    add("settings", _settings, "Print every setting with its default, as a .env file.")
    return parser


def main() -> int:
    """Run the word; an expected error is one sentence, not a trace."""
    options = build_parser().parse_args()
    function: Callable[[argparse.Namespace], int] = options.function
    try:
        return function(options)
    except (AskStephenError, OperationalError, ValidationError, OSError) as error:
        print(f"askstephen: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    match error:
        case ValidationError():
            wrong = (": ".join((*map(str.upper, map(str, each["loc"])), each["msg"])) for each in error.errors())
            return f"a setting is wrong, on the command line, in the environment or in .env: {'; '.join(wrong)}"
        case OperationalError():
            return f"the database cannot be used ({in_a_line(error)}): ./askstephen up starts one, DATABASE_URL names another"
        case OSError(filename=str() as name, strerror=strerror):
            return f"{name}: {strerror}"
        case _:
            return str(error)

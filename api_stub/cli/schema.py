"""`schema`: compare two databases, adopt one of an earlier generation."""

import argparse

from api_stub.cli import add_home, settings_of
from api_stub.cli.keys import seal_kept
from core.local_stack.scratch import scratch_server
from db.engine import Database
from db.schema.adopt import Adoption
from db.schema.compare import compare
from db.schema.report import FORMATS
from db.schema.sources import MODELS, describe, name_of


def compare_schemas(options: argparse.Namespace) -> int:
    """Print how the two differ."""
    first, second = describe(options.first), describe(options.second)
    comparison = compare(first, second, names=(name_of(options.first), name_of(options.second)))
    print(FORMATS[options.format](comparison))
    return 0


def adopt_schema(options: argparse.Namespace) -> int:
    """Show the plan and carry it out; seal the tokens that are kept in clear."""
    config = settings_of(options)
    with scratch_server() as server:
        adoption = Adoption(
            options.url, server, config.home / "backups", rewrite=options.rewrite, say=lambda words: print(words, flush=True)
        )
        adoption.run(dry_run=options.dry_run)
    if not options.dry_run:
        with Database(options.url, connections=1) as database:
            seal_kept(database, config)
    return 0


def add_schema_words(word: argparse.ArgumentParser) -> None:
    """Add the words that follow `schema`."""
    words = word.add_subparsers(required=True, metavar="compare|adopt")
    look = words.add_parser("compare", help="tell what is in both, in one only, and how tables of both differ")
    for name, place in (("first", "A"), ("second", "B")):
        look.add_argument(
            name, metavar=place, help=f"postgresql://… address, plain-SQL dump file, or `{MODELS}` (this version's tables)"
        )
    look.add_argument("--format", choices=sorted(FORMATS), default="text", help="(default: text)")
    look.set_defaults(function=compare_schemas)
    take = words.add_parser("adopt", help="bring a database of an earlier generation to this version; stop what uses it first")
    take.add_argument("url", metavar="URL", help="postgresql://… address, as the owner of its tables")
    take.add_argument("--dry-run", action="store_true", help="show and rehearse the plan, change nothing")
    take.add_argument("--rewrite", action="store_true", help="widen numbers too, which writes their tables anew")
    add_home(take, "the backup goes into its folder `backups`")
    take.set_defaults(function=adopt_schema)

"""`key`: API keys of a running installation, and the key that seals its tokens."""

import argparse
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api_stub.cli import settings_of, span
from api_stub.cli.up import running_at
from core.crypto import KeyRing
from core.errors import Misconfigured
from core.settings import Settings
from db import api_keys, users
from db.engine import Database
from db.sealing import seal_tokens


def new_key(options: argparse.Namespace) -> int:
    """Make a key and show it, this once."""
    expires_at = None if options.expires is None else datetime.now(UTC) + timedelta(days=options.expires)
    with _database(options) as database, database.jobs() as session:
        user_id = options.user or users.ensure_local_owner(session)
        made = api_keys.insert_api_key(
            session, user_id=user_id, name=options.name, scope=api_keys.Scope(options.scope), expires_at=expires_at
        )
    print(made)
    return 0


def list_keys(options: argparse.Namespace) -> int:
    """One line for each key, oldest first."""
    with _database(options) as database, database.jobs() as session:
        keys = api_keys.list_api_keys(session)
    for key in keys:
        ended = f"revoked {_day(key['revoked_at'])}" if key["revoked_at"] else f"last used {_day(key['last_used_at'])}"
        until = f", until {_day(key['expires_at'])}" if key["expires_at"] else ""
        made = f"made {_day(key['created_at'])}{until}, {ended}"
        print(f"{key['id']}  {key['hint']}…  {key['scope']}  {key['user_id']}  {made}  {key['name']}")
    return 0


def revoke_key(options: argparse.Namespace) -> int:
    """Let a key open nothing from now on."""
    with _database(options) as database, database.jobs() as session:
        api_keys.revoke_api_key(session, options.id)
    print(f"API key {options.id} is revoked.")
    return 0


def rotate(options: argparse.Namespace) -> int:
    """Seal every kept token with the newest key. Raises Misconfigured where some cannot be opened."""
    with _database(options) as database:
        seal_kept(database, settings_of(options))
    return 0


def seal_kept(database: Database, config: Settings) -> None:
    """Seal what is not sealed with the newest key, and tell how many. Raises Misconfigured where some cannot be opened."""
    sealed = seal_tokens(database, KeyRing.of(config))
    print(f"{sealed.tokens} tokens are now sealed with the newest key.", flush=True)
    if sealed.unopened:
        raise Misconfigured("\n  ".join((f"{len(sealed.unopened)} accounts stay as they are:", *sealed.unopened)))


def add_key_words(word: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add the words that follow `key`, and return them."""
    words = word.add_subparsers(required=True, metavar="new|list|revoke|rotate")
    make = words.add_parser("new", help="make a key; it is shown once")
    make.add_argument("--name", required=True, help="what it is for")
    make.add_argument("--user", help="id of the user it acts as (default: this machine's owner)")
    make.add_argument(
        "--scope",
        choices=[scope.value for scope in api_keys.Scope],
        default=api_keys.Scope.OPS,
        help="(default: ops, everything)",
    )
    make.add_argument(
        "--expires", type=span("days", most=3650), metavar="DAYS", help="how long it is good (default: until it is revoked)"
    )
    make.set_defaults(function=new_key)
    show = words.add_parser("list", help="list all keys by their first characters")
    show.set_defaults(function=list_keys)
    revoke = words.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", type=UUID, help="as `key list` shows it")
    revoke.set_defaults(function=revoke_key)
    turn = words.add_parser(
        "rotate", help="seal the tokens of connected accounts with the newest of SECRET_KEYS; may be run again"
    )
    turn.set_defaults(function=rotate)
    return [make, show, revoke, turn]


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


def _database(options: argparse.Namespace) -> Database:
    return Database(running_at(settings_of(options).home)[0], connections=1)

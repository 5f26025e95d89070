"""`key`: API keys of a running installation."""

import argparse
from datetime import datetime
from uuid import UUID

from api_stub.cli.up import running_at
from db import api_keys, users
from db.engine import Database


def new_key(options: argparse.Namespace) -> int:
    """Make a key and show it, this once."""
    with _database(options) as database, database.jobs() as session:
        user_id = options.user or users.ensure_local_owner(session)
        made = api_keys.insert_api_key(session, user_id=user_id, name=options.name)
    print(made)
    return 0


def list_keys(options: argparse.Namespace) -> int:
    """One line for each key, oldest first."""
    with _database(options) as database, database.jobs() as session:
        keys = api_keys.list_api_keys(session)
    for key in keys:
        ended = f"revoked {_day(key['revoked_at'])}" if key["revoked_at"] else f"last used {_day(key['last_used_at'])}"
        print(f"{key['id']}  {key['hint']}…  {key['user_id']}  made {_day(key['created_at'])}, {ended}  {key['name']}")
    return 0


def revoke_key(options: argparse.Namespace) -> int:
    """Let a key open nothing from now on."""
    with _database(options) as database, database.jobs() as session:
        api_keys.revoke_api_key(session, options.id)
    print(f"API key {options.id} is revoked.")
    return 0


def add_key_words(word: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add the words that follow `key`, and return them."""
    words = word.add_subparsers(required=True, metavar="new|list|revoke")
    make = words.add_parser("new", help="make a key; it is shown once")
    make.add_argument("--name", required=True, help="what it is for")
    make.add_argument("--user", help="id of the user it acts as (default: this machine's owner)")
    make.set_defaults(function=new_key)
    show = words.add_parser("list", help="list all keys by their first characters")
    show.set_defaults(function=list_keys)
    revoke = words.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", type=UUID, help="as `key list` shows it")
    revoke.set_defaults(function=revoke_key)
    return [make, show, revoke]


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


def _database(options: argparse.Namespace) -> Database:
    return Database(running_at(options.home)[0], connections=1)

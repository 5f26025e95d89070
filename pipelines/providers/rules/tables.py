"""The data of the rules: TOML files that lie beside them."""

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def read_table(name: str) -> dict[str, Any]:
    """A TOML file of this package. Everybody gets the same one: do not change it."""
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))


def word_list(name: str) -> tuple[str, ...]:
    """One list of `words.toml`, in its order."""
    return tuple(read_table("words.toml")[name])

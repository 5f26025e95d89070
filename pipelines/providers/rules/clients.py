"""Clients that are named: "our client Acme", "a new customer called Northwind"."""

import re
from collections.abc import Iterator

from pipelines.providers.rules.spoken import Evidence, Spoken

# On the line as written: a capital behind the word tells a name. No ear hears it, but the speech model writes it.
_CLIENT = re.compile(
    r"(?<!\w)(?:[Oo]ur|[Mm]y|[Aa]|[Nn]ew|[Bb]iggest|[Ll]argest|[Ff]ormer|[Ee]xisting|[Kk]ey|[Ff]irst|[Oo]ther|[Tt]hat|[Tt]he) (?:[a-z-]{1,15} ){0,2}?"
    r"(?:clients?|customers?),? (?:(?:is|are|was|were|named|called|like|such as|over at|at) ){0,2}"
    r"(?P<name>(?!(?:I|I'm|I've|I'd|I'll|OK|Okay|The|We|They|He|She|It|You|And|But|So)(?![\w]))[A-Z][\w&'-]{1,30}(?: [A-Z][\w&'-]{0,30}){0,3})"
)


def find_clients(spoken: Spoken) -> Iterator[Evidence]:
    """Every client whose name follows."""
    for match in _CLIENT.finditer(spoken.line):
        yield spoken.evidence("client_named", match.start(), match.end())

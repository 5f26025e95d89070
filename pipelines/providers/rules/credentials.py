"""Access keys and tokens by their known forms, and what is spelled letter by letter."""

import re
from collections.abc import Iterator

from pipelines.providers.rules.digits import UNITS
from pipelines.providers.rules.spoken import Evidence, Spoken
from pipelines.providers.rules.tables import word_list

# Prefixes as their issuers document them (AWS, GitHub, GitLab, Slack, OpenAI, Stripe, Google, npm), JWTs (RFC 7519) and PEM (RFC 7468).
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?i:akia|asia)[A-Za-z0-9]{12,20}"
    r"|gh[pousr]_[A-Za-z0-9]{16,80}|github_pat_[A-Za-z0-9_]{16,90}|glpat-[A-Za-z0-9_-]{16,40}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,120}|[srp]k[-_](?:(?:live|test|proj|ant)[-_])?[A-Za-z0-9_-]{16,200}"
    r"|AIza[A-Za-z0-9_-]{30,40}|npm_[A-Za-z0-9]{30,40}|ya29\.[A-Za-z0-9_-]{16,200}"
    r"|eyJ[A-Za-z0-9_-]{6,500}\.[A-Za-z0-9_-]{6,2000}"
    r"|-{2,5} ?BEGIN [A-Z ]{0,30}PRIVATE KEY"
    r"|[a-z][a-z0-9+.-]{1,20}://[^/@\s:]{1,80}:[^/@\s]{1,80}@"
    r")"
)
_SPELLED_KEYS = ("akia", "asia", "ghp", "xoxb", "xoxp")
_SIGNS = frozenset("-_.,/@#!$&*+") | frozenset(word_list("signs"))
_FEWEST_LETTERS = 3  # different ones
_FEWEST_SPELLED = 6  # characters; shorter ones are mostly abbreviations (measured on meetings)
_LETTERS_OF_WORDS = frozenset("ai")  # "a" and "i" are words too: they go on with a run and begin none


def find_credentials(spoken: Spoken) -> Iterator[Evidence]:
    """Keys whose form is known, and runs of single letters, digits and signs."""
    for match in _KEYS.finditer(spoken.line):
        yield spoken.evidence("access_key", match.start(), match.end())
    yield from _spelled(spoken)


def _spelled(spoken: Spoken) -> Iterator[Evidence]:
    tokens, index = spoken.tokens, 0
    while index < len(tokens):
        last, characters = _spelled_run(spoken, index)
        if _is_spelled_secret(characters):
            rule = "access_key" if characters.startswith(_SPELLED_KEYS) else "spelled_out"
            yield spoken.evidence(rule, tokens[index].start, tokens[last].end)
        index = last + 1


def _spelled_run(spoken: Spoken, first: int) -> tuple[int, str]:
    """The last token of the run of single characters that begins here, and its letters and digits."""
    tokens, characters, last, index = spoken.tokens, "", first, first
    while index < len(tokens):
        text = tokens[index].text
        character = text if len(text) == 1 and text.isalnum() else str(UNITS[text]) if text in UNITS else ""
        if not character and not (characters and text in _SIGNS):
            break
        if not characters and text in _LETTERS_OF_WORDS and index + 1 < len(tokens) and len(tokens[index + 1].text) > 1:
            break
        characters += character
        last = index if character else last
        index += 1
    return last, characters


def _is_spelled_secret(characters: str) -> bool:
    letters = {character for character in characters if character.isalpha()}
    return len(characters) >= _FEWEST_SPELLED and len(letters) >= _FEWEST_LETTERS

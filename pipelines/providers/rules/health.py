"""Health of a person: illnesses, drugs and care beside words that tie them to somebody, and whether that somebody is named."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pipelines.providers.rules.spoken import Evidence, Spoken, Token
from pipelines.providers.rules.tables import read_table

_TIE_TOKENS = 8  # how far before a term its tie may stand
_PERSON_TOKENS = 16  # how far from a term a person may stand
_CLUSTER_TOKENS = 40  # terms this near each other support each other
_NAME_TOKENS = 12
_FULL_OF_HEALTH = 2  # sure terms in a cluster, others count half: "any fever? chills? cough?"
_SHORTEST_MEDICAL_WORD = 7  # letters, for endings to count
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mister"})


@dataclass(frozen=True, slots=True)
class _Lexicon:
    phrases: dict[str, tuple[tuple[tuple[str, ...], bool], ...]]  # by first word: words, is it sure
    endings: tuple[str, ...]
    no_medical_words: frozenset[str]
    persons: frozenset[str]
    ties: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Term:
    first: int
    last: int
    text: str
    is_sure: bool


def find_health(spoken: Spoken) -> Iterator[Evidence]:
    """Terms of health that the words around them tie to a person."""
    lexicon = _lexicon()
    terms = tuple(_terms(spoken, lexicon))
    starts = [term.first for term in terms]
    persons = [index for index, token in enumerate(spoken.tokens) if _is_person(token, lexicon)]
    for term in terms:
        near = terms[bisect_left(starts, term.first - _CLUSTER_TOKENS) : bisect_right(starts, term.first + _CLUSTER_TOKENS)]
        if _is_about_somebody(spoken, term, near, persons, lexicon):
            yield _evidence(spoken, term, _find_name(spoken, term, lexicon) if term.is_sure else None)


def _evidence(spoken: Spoken, term: _Term, name: int | None) -> Evidence:
    """The term as evidence, from or to the name of its person where there is one."""
    first, last = (term.first, term.last) if name is None else (min(name, term.first), max(name, term.last))
    rule = "health_of_person" if name is None else "health_of_named_person"
    return spoken.evidence(rule, spoken.tokens[first].start, spoken.tokens[last].end)


def _is_about_somebody(spoken: Spoken, term: _Term, near: Sequence[_Term], persons: Sequence[int], lexicon: _Lexicon) -> bool:
    sure = {other.text for other in near if other.is_sure}
    maybe = {other.text for other in near if not other.is_sure}
    is_tied = not lexicon.ties.isdisjoint(spoken.texts(term.first - _TIE_TOKENS, term.first))
    has_person = _any_between(persons, term.first - _PERSON_TOKENS, term.last + _PERSON_TOKENS)
    if term.is_sure and is_tied and has_person:
        return True
    if len(sure) + len(maybe) / 2 >= _FULL_OF_HEALTH:
        return has_person or is_tied
    return is_tied and has_person and (len(sure) >= 1 and len(maybe) >= 1)


def _any_between(sorted_indices: Sequence[int], first: int, last: int) -> bool:
    found = bisect_left(sorted_indices, first)
    return found < len(sorted_indices) and sorted_indices[found] <= last


def _is_person(token: Token, lexicon: _Lexicon) -> bool:
    return token.text in lexicon.persons or token.text in lexicon.names


def _find_name(spoken: Spoken, term: _Term, lexicon: _Lexicon) -> int | None:
    """Where a title or a first name stands in the term's sentence: the nearest one."""
    sentence = spoken.tokens[term.first].sentence
    around = range(max(0, term.first - _NAME_TOKENS), min(len(spoken.tokens), term.last + _NAME_TOKENS))
    named = [index for index in around if spoken.tokens[index].sentence == sentence and _is_name(spoken.tokens[index], lexicon)]
    return min(named, key=lambda index: abs(index - term.first), default=None)


def _is_name(token: Token, lexicon: _Lexicon) -> bool:
    return token.text in _TITLES or token.text.removesuffix("'s") in lexicon.names


def _terms(spoken: Spoken, lexicon: _Lexicon) -> Iterator[_Term]:
    index = 0
    while index < len(spoken.tokens):
        term = _term(spoken.tokens, index, lexicon)
        if term:
            yield term
        index = term.last + 1 if term else index + 1


def _term(tokens: Sequence[Token], index: int, lexicon: _Lexicon) -> _Term | None:
    """The longest term that begins at a token."""
    text = tokens[index].text
    for key in (text, text.removesuffix("s")):
        for words, is_sure in lexicon.phrases.get(key, ()):
            if _matches(tokens, index, words):
                return _Term(index, index + len(words) - 1, " ".join(words), is_sure)
    is_medical = len(text) >= _SHORTEST_MEDICAL_WORD and text.endswith(lexicon.endings) and text not in lexicon.no_medical_words
    return _Term(index, index, text, is_sure=True) if is_medical else None


def _matches(tokens: Sequence[Token], index: int, words: tuple[str, ...]) -> bool:
    if index + len(words) > len(tokens):
        return False
    said = [token.text for token in tokens[index : index + len(words)]]
    return said[:-1] == list(words[:-1]) and said[-1] in {words[-1], words[-1] + "s"}


@cache
def _lexicon() -> _Lexicon:
    table = read_table("health.toml")
    phrases: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
    for kind, is_sure in (("maybe", False), ("sure", True), ("medications", True)):
        for phrase in table[kind]:
            words = tuple(phrase.replace("-", " - ").split())
            phrases.setdefault(words[0], []).append((words, is_sure))
    longest_first = {first: tuple(sorted(rows, key=lambda row: -len(row[0]))) for first, rows in phrases.items()}
    names = resources.files(__package__).joinpath("names.txt").read_text("utf-8").split()
    return _Lexicon(
        longest_first,
        tuple(table["endings"]),
        frozenset(table["no_medical_words"]),
        frozenset(table["persons"]),
        frozenset(table["ties"]),
        frozenset(names),
    )

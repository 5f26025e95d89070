"""Drive's search language: `'ID' in parents and (name contains 'a' or mimeType = 'video/mp4') and trashed = false`."""

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne

from twins.store import Record

Test = Callable[[Record], bool]

_TOKEN = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|(!=|<=|>=|=|<|>|\(|\))|([A-Za-z]+))")
_COMPARE = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_FIELDS = {"name", "mimeType", "modifiedTime", "createdTime", "trashed", "starred", "fullText"}


def parse_query(text: str) -> Test:
    """The test that a query is. Raises ValueError where it cannot be read."""
    tokens: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"Invalid Value: {text[at:]}")
        value, sign, word = found.groups()
        if value is not None:
            tokens.append(("value", re.sub(r"\\(.)", r"\1", value)))
        else:
            tokens.append(("sign", sign) if sign else ("word", word))
        at = found.end()
    reader = _Reader(tokens)
    test = reader.either()
    if reader.tokens:
        raise ValueError(f"Invalid Value: {reader.tokens[0][1]}")
    return test


class _Reader:
    """Reads tokens from the left; each method takes what it understands."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def either(self) -> Test:
        tests = [self.all()]
        while self._next_is("word", "or"):
            tests.append(self.all())
        return lambda file: any(test(file) for test in tests)

    def all(self) -> Test:
        tests = [self.one()]
        while self._next_is("word", "and"):
            tests.append(self.one())
        return lambda file: all(test(file) for test in tests)

    def one(self) -> Test:
        if self._next_is("word", "not"):
            inner = self.one()
            return lambda file: not inner(file)
        if self._next_is("sign", "("):
            inner = self.either()
            if not self._next_is("sign", ")"):
                raise ValueError("Invalid Value: a parenthesis is open")
            return inner
        kind, value = self._take()
        return self._membership(value) if kind == "value" else self._comparison(value)

    def _membership(self, value: str) -> Test:
        if not self._next_is("word", "in"):
            raise ValueError(f"Invalid Value: '{value}'")
        field = self._take()[1]
        if field not in {"parents", "owners", "writers", "readers"}:
            raise ValueError(f"Invalid Value: {field}")
        return lambda file: value in file.get(field, ())

    def _comparison(self, field: str) -> Test:
        if field == "sharedWithMe":
            return lambda file: bool(file.get("sharedWithMeTime"))
        if field not in _FIELDS:
            raise ValueError(f"Invalid Value: {field}")
        operator, value = self._take()[1], self._take()[1]
        if field in {"trashed", "starred"}:
            return lambda file: _COMPARE[operator](file.get(field, False), value == "true")
        if operator == "contains":
            # As Drive does it: a name contains a word's beginning, not any letters in the middle.
            start = re.compile(rf"(?i)(?:^|[\W_]){re.escape(value)}")
            return lambda file: bool(start.search(file["name" if field == "fullText" else field]))
        if operator not in _COMPARE:
            raise ValueError(f"Invalid Value: {operator}")
        return lambda file: _COMPARE[operator](file.get(field, ""), value)

    def _next_is(self, kind: str, value: str) -> bool:
        if self.tokens and self.tokens[0] == (kind, value):
            del self.tokens[0]
            return True
        return False

    def _take(self) -> tuple[str, str]:
        if not self.tokens:
            raise ValueError("Invalid Value: the query ends too early")
        return self.tokens.pop(0)

"""Split a plain-SQL dump into its statements, without running or trusting any of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.errors import Invalid

_MOST_CHARACTERS = 32 << 20  # of statements that are kept; data is passed over line by line
_TOKEN = re.compile(
    r"(?P<quote>[eE]?')|(?P<name>\")|(?P<dollar>\$(?:[A-Za-z_]\w*)?\$)|(?P<line>--)|(?P<block>/\*)|(?P<end>;)|(?P<command>\\)|(?P<word>[A-Za-z_][\w$]*)"
)
_BODY = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_COPY = re.compile(r"\s*COPY\b", re.IGNORECASE)
_FROM_STDIN = re.compile(r"\bFROM\s+stdin\b", re.IGNORECASE)
_HARMLESS = re.compile(r"\\(?:un)?restrict\s+\w+\s*$")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a dump, without its semicolon and the comments before it."""

    line: int
    sql: str


def split_statements(lines: Iterable[str]) -> Iterator[Statement]:
    r"""Each statement in turn; rows of COPY are passed over.

    Raises Invalid for what psql would take as a command of its own (`\!`, `\copy`, `\connect`, …), wherever it stands: nothing
    here is ever given to psql, and a dump that wants it is none that pg_dump writes without options.
    """
    reader, kept, in_rows = _Reader(), 0, False
    for number, line in enumerate(lines, 1):
        if in_rows:
            in_rows = line.rstrip("\r\n") != r"\."
            continue
        if not reader.is_open and _HARMLESS.match(line):
            continue
        for statement in reader.feed(line, number):
            if _COPY.match(statement.sql):
                if not _FROM_STDIN.search(statement.sql):
                    raise Invalid(f"line {statement.line}: COPY from anything but the dump itself is refused")
                in_rows = True
                continue
            kept += len(statement.sql)
            if kept > _MOST_CHARACTERS:
                raise Invalid("this dump holds more than 32 MB of statements: make it with `pg_dump --schema-only`")
            yield statement
    if reader.is_open:
        raise Invalid("the dump ends in the middle of a statement: it was cut off")


class _Reader:
    """Statements out of lines: knows what is quoted, a comment, or the body of a function."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._line = 0
        self._quote: str | None = None  # what ends the quotation that is open
        self._comments = 0
        self._depth = 0  # of BEGIN and CASE in a function's body that is not quoted

    @property
    def is_open(self) -> bool:
        return bool(self._parts) or self._quote is not None or self._comments > 0

    def feed(self, line: str, number: int) -> Iterator[Statement]:
        at = 0
        while at < len(line):
            if self._comments:
                at = self._leave_comment(line, at)
            elif self._quote:
                at = self._leave_quote(line, at)
            else:
                token = _TOKEN.search(line, at)
                end = token.start() if token else len(line)
                self._keep(line[at:end], number)
                if token is None:
                    return
                at = token.end()
                if token.lastgroup == "command":
                    raise Invalid(
                        f"line {number} is a command for psql ({line.strip()[:40]}): make the dump with plain `pg_dump`"
                    )
                if token.lastgroup == "line":
                    self._keep("\n", number)
                    return
                if token.lastgroup == "end" and not self._depth:
                    yield from self._take()
                else:
                    self._enter(token, number)

    def _enter(self, token: re.Match[str], number: int) -> None:
        said = token[0]
        if token.lastgroup == "block":
            self._comments = 1
            return
        self._keep(said, number)
        if token.lastgroup == "quote":
            self._quote = "e'" if len(said) > 1 else "'"
        elif token.lastgroup in {"name", "dollar"}:
            self._quote = said
        elif (
            token.lastgroup == "word" and (said.upper() in {"BEGIN", "CASE", "END"}) and _BODY.match("".join(self._parts[:12]))
        ):
            self._depth = max(0, self._depth + (-1 if said.upper() == "END" else 1))

    def _leave_quote(self, line: str, at: int) -> int:
        if self._quote == "e'":
            found = re.compile(r"(?:\\.|[^'\\])*'", re.DOTALL).match(line, at)
            end = found.end() if found else -1
        else:
            start = line.find(self._quote or "", at)
            end = start + len(self._quote or "") if start >= 0 else -1
        self._keep(line[at:] if end < 0 else line[at:end], self._line)
        if end < 0:
            return len(line)
        self._quote = None  # a doubled quotation mark opens it again at once
        return end

    def _leave_comment(self, line: str, at: int) -> int:
        for found in re.compile(r"/\*|\*/").finditer(line, at):
            self._comments += 1 if found[0] == "/*" else -1
            if not self._comments:
                return found.end()
        return len(line)

    def _keep(self, piece: str, number: int) -> None:
        if not self._parts:
            piece = piece.lstrip()
            if not piece:
                return
            self._line, self._size = number, 0
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > _MOST_CHARACTERS:
            raise Invalid(f"the statement of line {self._line} is longer than 32 MB")

    def _take(self) -> Iterator[Statement]:
        sql = "".join(self._parts).strip()
        self._parts = []
        if sql:
            yield Statement(self._line, sql)

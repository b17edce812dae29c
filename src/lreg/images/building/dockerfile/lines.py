"""The statements of a Dockerfile: its lines put together, comments and heredocs taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = {"syntax", "escape", "check"}
_WITH_HEREDOCS = {"ADD", "COPY", "RUN"}
_SPACE = re.compile(r"[\t\v\f\r ]+")
# What may stand between quotes belongs to one word.
_WORD = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\])+""")
_HEREDOC = re.compile(r"\d*<<(-?)([^<\s]+)")
_QUOTES = re.compile(r"['\"]")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A file that stands in the Dockerfile.

    Attributes:
        word: what announces it, `<<EOF`.
        name: its name.
        content: its text.
        expand: whether variables in it are replaced.
    """

    word: str
    name: str
    content: str
    expand: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """An instruction with what follows it.

    Attributes:
        line: where it begins, from 1.
        name: in capital letters.
        rest: everything after the name, lines put together.
        heredocs: what files stand below it.
    """

    line: int
    name: str
    rest: str
    heredocs: tuple[Heredoc, ...] = ()

    def wrong(self, why: str) -> UsageError:
        """Return the error that says what is wrong with it."""
        return UsageError(f"line {self.line}: {self.name}: {why}")


@dataclass(frozen=True, slots=True)
class Statements:
    """All of a Dockerfile, and the character that escapes in it."""

    statements: tuple[Statement, ...]
    escape: str


def read_statements(text: str) -> Statements:
    """Return the statements of a Dockerfile.

    Raises:
        UsageError: a heredoc does not end, or a directive makes no sense; it names the line.
    """
    lines = _lines(text)
    directives = _directives(lines)
    escape = directives.get("escape", "\\")
    return Statements(tuple(_statements(lines, len(directives), escape)), escape)


def syntax_of(text: str) -> str:
    """Return the image that knows the language of a Dockerfile, "" where it names none.

    Raises:
        UsageError: a directive makes no sense.
    """
    return _directives(_lines(text)).get("syntax", "").partition(" ")[0]


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").split("\n")


def _directives(lines: list[str]) -> dict[str, str]:
    """Return the directives, one for each of the first lines; raise UsageError."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if not match or (name := match[1].lower()) not in _DIRECTIVES:
            break
        if name in found:
            raise UsageError(f"line {number}: there is a second directive {name}")
        found[name] = match[2]
        if name == "escape" and match[2] not in ("\\", "`"):
            raise UsageError(f"line {number}: escape must be \\ or `, not {match[2]!r:.20}")
    return found


def _statements(lines: list[str], position: int, escape: str) -> Iterator[Statement]:
    sign = re.escape(escape)
    # An escape sign at the end goes on with the next line, unless it is escaped itself.
    continued = re.compile(rf"(?:(?<=[^{sign}])|^){sign}[ \t]*$")
    while position < len(lines):
        begin, goes_on = position, True
        parts: list[str] = []
        while goes_on and position < len(lines):
            line = lines[position].rstrip("\r")
            position += 1
            if line.lstrip().startswith("#") or (parts and not line.strip()):
                goes_on = bool(parts)
                continue
            text = continued.sub("", line if parts else line.lstrip())
            goes_on = text != (line if parts else line.lstrip())
            parts.append(text)
        if not (whole := "".join(parts).strip()):
            continue
        name, _, rest = _SPACE.sub(" ", whole, count=1).partition(" ")
        statement = Statement(begin + 1, name.upper(), rest.strip())
        heredocs, position = _heredocs(statement, lines, position)
        yield Statement(statement.line, statement.name, statement.rest, heredocs)


def _heredocs(
    statement: Statement, lines: list[str], position: int
) -> tuple[tuple[Heredoc, ...], int]:
    """Return the heredocs that follow a statement, and where they end."""
    found = []
    if _can_have_heredocs(statement):
        for word in _WORD.findall(statement.rest):
            if match := _HEREDOC.fullmatch(word):
                name = _QUOTES.sub("", match[2])
                end = position
                while end < len(lines) and _ending(lines[end], chomp=bool(match[1])) != name:
                    end += 1
                if end == len(lines):
                    raise statement.wrong(f"no line {name!r} ends its heredoc")
                content = "".join(f"{line}\n" for line in lines[position:end])
                if match[1]:
                    content = _LEADING_TABS.sub("", content)
                found.append(Heredoc(word, name, content, expand=name == match[2]))
                position = end + 1
    return tuple(found), position


def _can_have_heredocs(statement: Statement) -> bool:
    name, rest = statement.name, statement.rest
    if name == "ONBUILD":
        name, _, rest = rest.partition(" ")
    return name.upper() in _WITH_HEREDOCS and "<<" in rest and not rest.lstrip().startswith("[")


def _ending(line: str, *, chomp: bool) -> str:
    line = line.rstrip("\r")
    return line.lstrip("\t") if chomp else line

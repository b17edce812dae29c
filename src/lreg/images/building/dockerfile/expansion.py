"""Replacing variables in Dockerfiles, and taking away quotes, as BuildKit's own shell does it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# POSIX, 2.5.2: parameters of one character.
_SPECIAL = set("@*#?-$!0")
_NAME = re.compile(r"\d+|\w+")
# What variables may put into one text: more than a kernel gives a program in one of its own.
_MAX_VALUES = 1 << 20
MAX_EXPANDED = 64 << 20
"""Of all texts of a stage, with the values of their variables, in characters."""


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return a word with its variables replaced and its quotes gone.

    Raises:
        UsageError: a quote or a brace is not closed, or `${x?…}` misses its variable.
    """
    return "".join(piece for piece, _ in _scanned(text, variables, escape))


def expand_text(text: str, variables: Mapping[str, str]) -> str:
    """Return the text of a heredoc with its variables replaced; quotes stay. Raises UsageError."""
    return "".join(piece for piece, _ in _scanned(text, variables, "\\", quotes=False))


def expand_words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """Return the words of a text: split after variables are replaced. Raises UsageError."""
    words, word = [], ""
    for piece, splits in _scanned(text, variables, escape):
        if not splits:
            word += piece
            continue
        first, *rest = re.split(r"\s+", piece)
        word += first
        for part in rest:
            words.append(word)
            word = part
    return [one for one in [*words, word] if one]


def _scanned(
    text: str, variables: Mapping[str, str], escape: str, *, quotes: bool = True
) -> list[tuple[str, bool]]:
    try:
        return list(_Scanner(text, variables, escape, quotes=quotes).pieces())
    except RecursionError as error:
        raise UsageError(f"{text!r:.80}… has braces that lie in one another too deeply") from error


class _Scanner:
    """Reads a text once; pieces that are not quoted can be split at spaces."""

    def __init__(
        self, text: str, variables: Mapping[str, str], escape: str, *, quotes: bool = True
    ) -> None:
        self._text, self._at = text, 0
        self._variables = variables
        self._escape = escape
        self._quotes = quotes
        self._left = _MAX_VALUES

    def pieces(self, until: str = "", *, keep_escapes: bool = False) -> Iterator[tuple[str, bool]]:
        """Yield pieces up to the end, or to a character that ends them; raise UsageError."""
        while (char := self._peek()) and char != until:
            if char == "$":
                yield self._variable(), True
            elif self._quotes and char == "'":
                yield self._single_quoted(), False
            elif self._quotes and char == '"':
                yield self._double_quoted(), False
            elif char == self._escape:
                self._at += 1
                yield (char if keep_escapes else "") + self._take(), False
            else:
                yield self._take(), True
        if until and not self._take():
            raise self._unclosed(until)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _unclosed(self, sign: str) -> UsageError:
        return UsageError(f"{self._text!r:.200} lacks its closing {sign}")

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise self._unclosed("'")
        quoted, self._at = self._text[self._at + 1 : end], end + 1
        return quoted

    def _double_quoted(self) -> str:
        self._at += 1
        parts = []
        while (char := self._peek()) != '"':
            if not char:
                raise self._unclosed('"')
            if char == "$":
                parts.append(self._variable())
                continue
            self._at += 1
            if char == self._escape and self._peek() in ('"', "$", self._escape, ""):
                char = self._take()
            parts.append(char)
        self._at += 1
        return "".join(parts)

    def _variable(self) -> str:
        return self._counted(self._value())

    def _counted(self, value: str) -> str:
        self._left -= len(value)
        if self._left < 0:
            raise UsageError(f"{self._text!r:.80}… grows past {_MAX_VALUES >> 20} MiB")
        return value

    def _value(self) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._at += 1
        if self._peek() in ("", "{", "}", ":"):
            raise UsageError(f"{self._text!r:.200} has a bad substitution")
        name, sign = self._name(), self._take()
        if sign == "}":
            return self._variables.get(name, "")
        if sign == "/":
            return self._replaced(name)
        value = self._variables.get(name)
        if sign == ":" and self._peek() in ("-", "+", "?"):
            sign, value = self._take(), value or None
        if sign in ("#", "%"):
            return self._trimmed(value or "", sign)
        return self._conditional(name, sign, value)

    def _conditional(self, name: str, sign: str, value: str | None) -> str:
        if not sign or sign not in "-+?":
            raise UsageError(f"{self._text!r:.200} has an unknown modifier {sign!r} in ${{{name}}}")
        word = "".join(piece for piece, _ in self.pieces("}"))
        match sign:
            case "-":
                return word if value is None else value
            case "+":
                return "" if value is None else word
        if value is None:
            raise UsageError(f"{name}: {word or 'it is not set'}")
        return value

    def _raw(self, until: str) -> str:
        return "".join(piece for piece, _ in self.pieces(until, keep_escapes=True))

    def _trimmed(self, value: str, sign: str) -> str:
        """Return a value without the shortest (`#`, `%`) or longest (`##`, `%%`) match."""
        longest = self._peek() == sign
        if longest:
            self._at += 1
        pattern = _pattern(self._raw("}"))
        cuts = range(len(value) + 1)
        if sign == "#":
            ends = [end for end in cuts if pattern.fullmatch(value, 0, end)]
            return value[(ends[-1] if longest else ends[0]) :] if ends else value
        starts = [start for start in cuts if pattern.fullmatch(value, start)]
        return value[: (starts[0] if longest else starts[-1])] if starts else value

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self._at += 1
        pattern, replacement = _pattern(self._raw("/")), self._raw("}")
        value = self._variables.get(name, "")
        return pattern.sub(lambda _: self._counted(replacement), value, count=0 if every else 1)

    def _name(self) -> str:
        match = _NAME.match(self._text, self._at)
        if not match and self._peek() in _SPECIAL:
            return self._take()
        self._at = match.end() if match else self._at
        return match[0] if match else ""


def _pattern(text: str) -> re.Pattern[str]:
    """Return what a shell's pattern of `*`, `?` and escaped characters matches."""
    parts, chars = [], iter(re.sub(r"\*+", "*", text))
    for char in chars:
        match char:
            case "*":
                parts.append(".*")
            case "?":
                parts.append(".")
            case "\\":
                parts.append(re.escape(next(chars, "\\")))
            case _:
                parts.append(re.escape(char))
    return re.compile("".join(parts))

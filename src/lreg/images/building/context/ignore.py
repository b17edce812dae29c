"""What .dockerignore leaves out of a context."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lreg.errors import UsageError
from lreg.images.building.context.patterns import path_pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    keeps: bool


class Ignore:
    """Rules of which the last that matches a path, or a folder above it, decides."""

    def __init__(self, rules: Iterable[_Rule]) -> None:
        self._rules = tuple(rules)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rules of an ignore file.

        Raises:
            UsageError: one of them is no pattern.
        """
        lines = text.removeprefix("\ufeff").split("\n")
        return cls.of(line for line in lines if not line.startswith("#"))

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Self:
        """Return rules, one for each pattern that is not empty; raise UsageError."""
        return cls(_rule(text.strip()) for text in patterns if text.strip())

    def ignores(self, path: str) -> bool:
        """Return whether a path, relative to the context, is left out."""
        parts = path.split("/")
        paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        ignored = False
        for rule in self._rules:
            # A rule that changes nothing need not be looked at.
            if rule.keeps == ignored and any(map(rule.pattern.fullmatch, paths)):
                ignored = not rule.keeps
        return ignored

    @property
    def has_exceptions(self) -> bool:
        """Whether something below what is left out may be kept."""
        return any(rule.keeps for rule in self._rules)


def _rule(text: str) -> _Rule:
    keeps = text.startswith("!")
    pattern = text[1:].strip() if keeps else text
    if not pattern:
        raise UsageError("! needs a pattern behind it")
    cleaned = posixpath.normpath(pattern).lstrip("/") or "."
    return _Rule(path_pattern(cleaned), keeps)

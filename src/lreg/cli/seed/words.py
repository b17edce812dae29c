"""The command line of `images`: options before operands, `--opt=value` or `--opt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_YES = "yes"


@dataclass(frozen=True, slots=True)
class Given:
    """What stands after a command.

    Attributes:
        options: by name, without dashes; `yes` where an option stands without `=`.
        operands: the rest.
    """

    options: Mapping[str, str]
    operands: tuple[str, ...]

    def has(self, flag: str) -> bool:
        """Return whether a flag is given, and is not `--flag=no`."""
        return self.options.get(flag) == _YES

    def flags(self, *names: str) -> list[str]:
        """Return those of the flags that are given, as lreg's commands take them."""
        return [f"--{name}" for name in names if self.has(name)]


@dataclass(frozen=True, slots=True)
class Word:
    """A command.

    Attributes:
        usage: what stands after its name.
        help: what it does.
        work: does it and returns the exit code.
        least: how many operands it needs.
        options: those that it takes.
    """

    usage: str
    help: str
    work: Callable[[Given], int]
    least: int = 1
    options: tuple[str, ...] = ()

    def run(self, name: str, arguments: Sequence[str]) -> int:
        """Run it; with --help print how it is called.

        Raises:
            UsageError: an option is none of its own, or an operand is missing.
        """
        given = parse(arguments)
        usage = f"images {name} {self.usage}".rstrip()
        if given.has("help"):
            click.echo(f"{usage}\n{self.help}")
            return 0
        if unknown := sorted(given.options.keys() - {*self.options, "verbose"}):
            raise UsageError(f"{name} has no option --{unknown[0]}: {usage}")
        if len(given.operands) < self.least:
            raise UsageError(f"{name} needs more words: {usage}")
        return self.work(given)


def parse(arguments: Sequence[str]) -> Given:
    """Return the options that stand first, and the operands."""
    options = {}
    left = list(arguments)
    while left and left[0].startswith("--"):
        name, sign, value = left.pop(0).removeprefix("--").partition("=")
        options[name] = value if sign else _YES
    return Given(options, tuple(left))

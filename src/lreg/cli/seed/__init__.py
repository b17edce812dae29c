"""`images`: the commands of xcluster's script of that name, each a thin name for one of lreg's."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from lreg.cli import conclude, exit_code


def main() -> NoReturn:
    """Run the command line and exit: an error is one line on stderr and its exit code."""
    conclude(lambda: run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return the exit code. Without a command, or with help: the help."""
    from lreg.cli.seed import commands  # noqa: PLC0415 -- they stand on this

    name, *rest = arguments or ["help"]
    if name in ("help", "-h", "--help"):
        return exit_code(lambda: click.echo(commands.help_text(), nl=False), "images")
    return exit_code(lambda: commands.run(name, rest), "images")

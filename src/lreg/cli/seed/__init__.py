"""`images`: the commands of xcluster's script of that name, each a thin name for one of lreg's."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from lreg.cli import exit_code, leave


def main() -> NoReturn:
    """Run the command line and exit: an error is one line on stderr and its exit code."""
    leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return the exit code. Without a command, or with help: the help."""
    from lreg.cli.seed import commands  # noqa: PLC0415 -- they stand on this

    name, *rest = arguments or ["help"]
    if name in ("help", "-h", "--help"):
        click.echo(commands.help_text(), nl=False)
        return 0
    return exit_code(lambda: commands.run(name, rest), "images")

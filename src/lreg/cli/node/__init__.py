"""`lreg node`: what nodes are told; one command a file."""

from __future__ import annotations

import click

from lreg.cli.lazy import LazyGroup

_SECTION = "Commands"
COMMANDS: dict[str, tuple[str, str]] = {
    "emit": (_SECTION, "Print or write the files that tell a runtime where to look."),
}


@click.group(cls=LazyGroup, package="lreg.cli.node", entries=COMMANDS)
def command() -> None:
    """Tell nodes' runtimes where to look for images, take it back, check that it works."""

"""`lreg node`: what nodes are told; one command a file."""

from __future__ import annotations

import click

from lreg.cli.lazy import LazyGroup

_SECTION = "Commands"
COMMANDS: dict[str, tuple[str, str]] = {
    "emit": (_SECTION, "Print or write the files that tell a runtime where to look."),
    "apply": (_SECTION, "Change this node's own files so that its runtime pulls from lreg."),
    "doctor": (_SECTION, "Pull canaries through this node's runtime: do they come from lreg?"),
    "overlay": (_SECTION, "Write the files of nodes as one tar, to be unpacked on /."),
    "undo": (_SECTION, "Bring back what was there before `apply`, byte for byte."),
}


@click.group(cls=LazyGroup, package="lreg.cli.node", entries=COMMANDS)
def command() -> None:
    """Tell nodes' runtimes where to look for images, take it back, check that it works."""

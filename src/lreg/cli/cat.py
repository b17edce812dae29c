"""`lreg cat`: one file of an image."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from lreg.cli.looking.entries import looking_options
from lreg.cli.registries.completing import images

if TYPE_CHECKING:
    from lreg.cli.looking.entries import Where
    from lreg.images.contents.layers import Layers


@click.command(epilog="Example: lreg cat alpine:3.20 /etc/os-release")
@click.argument("image", shell_complete=images)
@click.argument("path")
@looking_options
def command(image: str, path: str, *, where: Where) -> None:
    """Print the file PATH of IMAGE as a container would read it, links followed.

    Layers below the one that has it are not fetched.
    """
    from lreg.cli.looking.contents import look_into  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.output.sink import standard_output  # noqa: PLC0415
    from lreg.images.contents.find import open_file  # noqa: PLC0415

    def show(layers: Layers) -> None:
        with open_file(layers, path) as content, standard_output() as stdout:
            shutil.copyfileobj(content, stdout)

    look_into((image,), where, show)

"""`lreg files`: what is in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.looking.entries import as_json as entry_json
from lreg.cli.looking.entries import long_line, looking_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json, printable
from lreg.cli.registries.completing import images

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.cli.looking.entries import Where
    from lreg.images.contents.entries import Entry
    from lreg.images.contents.layers import Layers


@click.command(epilog="Examples: lreg files alpine:3.20; lreg files --long --layers mine/app")
@click.argument("image", shell_complete=images)
@click.option("--layers", "by_layer", is_flag=True, help="Layer by layer, as each is.")
@click.option("--long", "-l", "is_long", is_flag=True, help="With modes, owners, sizes and times.")
@looking_options
@json_option
def command(
    image: str,
    *,
    by_layer: bool,
    is_long: bool,
    where: Where,
    as_json: bool,
) -> None:
    """List the files that a container of IMAGE sees, straight from the registry.

    Layer by layer, files called `.wh.NAME` say that NAME of the layers below is gone.
    """
    from lreg.cli.looking.contents import look_into  # noqa: PLC0415 -- `--help` needs no client

    def show(layers: Layers) -> None:
        if not by_layer:
            shown = layers.tree()
            print_json([entry_json(entry) for entry in shown]) if as_json else _lines(shown)
        elif as_json:
            print_json(
                [
                    {
                        "layer": str(layer.digest),
                        "files": [entry_json(entry) for entry in layers.entries(number)],
                    }
                    for number, layer in enumerate(layers.descriptors)
                ]
            )
        else:
            for number, layer in enumerate(layers.descriptors):
                click.echo(f"=== Layer; {layer.digest}")
                _lines(layers.entries(number))

    def _lines(entries: Iterable[Entry]) -> None:
        for entry in entries:
            click.echo(long_line(entry) if is_long else printable(_path(entry)))

    look_into((image,), where, show)


def _path(entry: Entry) -> str:
    return f"{entry.path}/" if entry.is_folder else entry.path

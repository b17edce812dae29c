"""`lreg export`: the files of an image as a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.looking.entries import looking_options
from lreg.cli.registries.completing import images
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lreg.cli.looking.entries import Where
    from lreg.images.contents.layers import Layers


@click.command(
    epilog="Examples: lreg export alpine:3.20 | tar t; lreg export -o root.tar mine/app:1"
)
@click.argument("image", shell_complete=images)
@click.option(
    "--output",
    "-o",
    default="-",
    show_default=True,
    metavar="FILE",
    help="Where to; - is stdout.",
)
@click.option(
    "--layer",
    "only",
    multiple=True,
    metavar="LAYER",
    help="Only the files of this layer: its number from 1, or its digest; may be repeated.",
)
@looking_options
def command(
    image: str,
    *,
    output: str,
    only: tuple[str, ...],
    where: Where,
) -> None:
    """Write the root of IMAGE as one tar, as `docker export` writes that of a container.

    The same image gives the same bytes.
    """
    from lreg.cli.looking.contents import look_into  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.output.sink import write_to  # noqa: PLC0415
    from lreg.images.contents.flatten import write_root  # noqa: PLC0415

    def export(layers: Layers) -> None:
        tree = layers.tree(_numbers(layers, only) if only else None)
        write_to(output, lambda target: write_root(layers, tree, target))

    look_into((image,), where, export)


def _numbers(layers: Layers, only: Sequence[str]) -> Iterator[int]:
    digests = [str(layer.digest) for layer in layers.descriptors]
    for text in only:
        if text.isdecimal() and 1 <= int(text) <= len(digests):
            yield int(text) - 1
        elif text in digests:
            yield digests.index(text)
        else:
            raise UsageError(f"{text!r} is none of its {len(digests)} layers: see `lreg layers`")

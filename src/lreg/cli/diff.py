"""`lreg diff`: which files differ between two images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.looking.entries import as_json as entry_json
from lreg.cli.looking.entries import looking_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json, printable
from lreg.cli.registries.completing import images

if TYPE_CHECKING:
    from lreg.cli.looking.entries import Where
    from lreg.images.contents.compare import Difference
    from lreg.images.contents.layers import Layers


@click.command(epilog="Example: lreg diff alpine:3.19 alpine:3.20")
@click.argument("first", metavar="A", shell_complete=images)
@click.argument("second", metavar="B", shell_complete=images)
@looking_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    first: str,
    second: str,
    *,
    where: Where,
    as_json: bool,
) -> None:
    """List the files that differ between the images A and B: - only in A, + only in B, ~ in both.

    Times are no difference. The exit code is 1 if there are differences, as of diff(1).
    """
    from lreg.cli.looking.contents import look_into  # noqa: PLC0415 -- `--help` needs no client
    from lreg.images.contents.compare import differences  # noqa: PLC0415

    def compare(one: Layers, other: Layers) -> list[Difference]:
        return list(differences(one, other))

    found = look_into((first, second), where, compare)
    if as_json:
        print_json([_json(one) for one in found])
    else:
        for one in found:
            click.echo(_line(one))
    ctx.exit(bool(found))


def _line(one: Difference) -> str:
    if one.what:
        return f"~ {printable(one.path)} ({', '.join(one.what)})"
    return f"{'-' if one.after is None else '+'} {printable(one.path)}"


def _json(one: Difference) -> dict[str, object]:
    return {
        "path": one.path,
        "a": entry_json(one.before) if one.before else None,
        "b": entry_json(one.after) if one.after else None,
        "differs": list(one.what),
    }

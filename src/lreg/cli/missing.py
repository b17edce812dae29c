"""`lreg missing`: what of a lock file is not in the registry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.admin.codec import to_json
from lreg.admin.values import MissingImages
from lreg.cli.access import Access, access_options
from lreg.cli.output import print_json

if TYPE_CHECKING:
    from lreg.admin.values import Missing


@click.command(epilog="Example: lreg missing --lock images.lock")
@click.option(
    "--lock",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The images that should be there, as `lreg pulled --lock` writes them.",
)
@access_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context, *, lock: Path, insecure: bool, ca: Path | None, as_json: bool
) -> None:
    """List the images of a lock file that are not wholly in the registry here.

    One image a line, then what of it is missing. The exit code is 1 if there is any. No upstream is
    asked for anything: `lreg cache --lock FILE` brings what is missing.
    """
    found = asyncio.run(_missing(lock, Access(insecure, ca)))
    if as_json:
        print_json(to_json(MissingImages(tuple(found)))["missing"])
    else:
        for one in found:
            click.echo(f"{one.image}  {one.why}")
    if found:
        ctx.exit(1)


async def _missing(lock: Path, access: Access) -> list[Missing]:
    from lreg.cli.locked import missing_of  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.remote import Registries  # noqa: PLC0415
    from lreg.images.lock import read  # noqa: PLC0415

    locked = read(lock)
    async with Registries(access) as registries:
        return await missing_of(registries, locked)

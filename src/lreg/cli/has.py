"""`lreg has`: whether images are in the registry here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.registries.completing import images

if TYPE_CHECKING:
    from lreg.admin.values import Missing


@click.command(epilog="Example: lreg has alpine:3.8 || lreg cache alpine:3.8")
@click.argument("image", nargs=-1, required=True, shell_complete=images)
@access_options
@click.pass_context
def command(ctx: click.Context, image: tuple[str, ...], *, access: Access) -> None:
    """Say by the exit code whether each IMAGE is wholly in the registry here: 0, or 1.

    IMAGE is a name as Docker means it: `alpine:3.8` is docker.io/library/alpine:3.8. What was
    pushed without a host counts too: a node would get it. No upstream is asked for anything.
    """
    if asyncio.run(_lacking(image, access)):
        ctx.exit(1)


async def _lacking(names: tuple[str, ...], access: Access) -> list[Missing]:
    from lreg.cli.bringing.missing import missing_images  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        return await missing_images(registries, names)

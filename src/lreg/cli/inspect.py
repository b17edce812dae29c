"""`lreg inspect`: what an image is made of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json
from lreg.cli.registries.completing import images
from lreg.errors import UsageError

if TYPE_CHECKING:
    from lreg.oci.platform import Platform


@click.command(epilog="Examples: lreg inspect alpine:3.20; lreg inspect --raw mine/app:1 | jq")
@click.argument("image", shell_complete=images)
@platform_option("Of an index show this image.  [default: this machine's]")
@access_options
@click.option("--raw", is_flag=True, help="Print the bytes of the manifest, nothing else.")
@json_option
def command(
    image: str,
    *,
    platform: Platform | None,
    access: Access,
    raw: bool,
    as_json: bool,
) -> None:
    """Show the manifest, the platforms, the layers, the config and the referrers of IMAGE.

    Without a tag, `latest` is meant.
    """
    if raw and as_json:
        raise UsageError("--raw and --json exclude each other")
    if raw:
        click.echo(asyncio.run(_raw(image, access, platform)), nl=False)
    else:
        asyncio.run(_show(image, access, platform, as_json=as_json))


async def _raw(text: str, access: Access, platform: Platform | None) -> bytes:
    from lreg.cli.looking.facts import find_manifest  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        reference = await registries.locate(text)
        repository = await registries.repository(reference)
        return (await find_manifest(repository, reference.selector, platform)).raw


async def _show(text: str, access: Access, platform: Platform | None, *, as_json: bool) -> None:
    from lreg.cli.looking import describe  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.looking.facts import find_facts  # noqa: PLC0415
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        reference = await registries.locate(text)
        repository = await registries.repository(reference)
        facts = await find_facts(repository, reference.selector, platform)
    name = str(reference)
    if as_json:
        print_json(describe.as_json(name, facts))
    else:
        for line in describe.as_lines(name, facts):
            click.echo(line)

"""`lreg tags`: the tags of one repository."""

from __future__ import annotations

import asyncio

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json
from lreg.cli.registries.completing import repositories
from lreg.errors import UsageError


@click.command(epilog="Example: lreg tags mine/app")
@click.argument("repository", shell_complete=repositories)
@access_options
@json_option
def command(repository: str, *, access: Access, as_json: bool) -> None:
    """List the tags of REPOSITORY, one a line."""
    asyncio.run(_list(repository, access, as_json=as_json))


async def _list(text: str, access: Access, *, as_json: bool) -> None:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415 -- `lreg tags --help` needs no client

    async with Registries(access) as registries:
        reference = registries.parse(text)
        if reference.tag or reference.digest:
            raise UsageError(f"{text} names one image: give the repository alone")
        repository = await registries.repository(reference)
        tags = sorted([str(tag) async for tag in repository.tags()])
    if as_json:
        print_json({"repository": text, "tags": tags})
        return
    for tag in tags:
        click.echo(tag)

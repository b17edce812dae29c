"""`lreg ls`: what the local registry holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from lreg.cli.access import Access, access_options
from lreg.cli.complete import repositories
from lreg.cli.output import print_json
from lreg.errors import NameUnknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.client.registry import Registry
    from lreg.client.repository import RemoteRepository
    from lreg.oci.reference import RepositoryName

# So many tag lists are asked for at a time.
_PARALLEL = 32


@click.command()
@click.argument("prefix", default="", shell_complete=repositories)
@access_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(prefix: str, *, insecure: bool, ca: Path | None, as_json: bool) -> None:
    """List the repositories that begin with PREFIX, and their tags.

    One image a line, REPOSITORY:TAG; a repository without tags stands alone.
    """
    asyncio.run(_list(prefix, Access(insecure, ca), as_json=as_json))


async def _list(prefix: str, access: Access, *, as_json: bool) -> None:
    from lreg.cli.remote import Registries  # noqa: PLC0415 -- `lreg ls --help` needs no client

    async with Registries(access) as registries:
        found = _with_tags(await registries.local(), prefix)
        if as_json:
            print_json([{"repository": str(name), "tags": tags} async for name, tags in found])
            return
        async for name, tags in found:
            for line in [f"{name}:{tag}" for tag in tags] or [str(name)]:
                click.echo(line)


async def _with_tags(
    registry: Registry, prefix: str
) -> AsyncIterator[tuple[RepositoryName, list[str]]]:
    """Yield the repositories in the registry's order, with their tags."""
    batch: list[RepositoryName] = []

    async def tagged() -> list[tuple[RepositoryName, list[str]]]:
        tags = await asyncio.gather(*(tags_of(registry.repository(name)) for name in batch))
        return list(zip(batch, tags, strict=True))

    async for name in registry.catalog(prefix):
        batch.append(name)
        if len(batch) == _PARALLEL:
            for one in await tagged():
                yield one
            batch.clear()
    for one in await tagged():
        yield one


async def tags_of(repository: RemoteRepository) -> list[str]:
    """Return the tags; none where the registry knows the repository no more."""
    # distribution keeps a repository in its catalog after its last tag, and then denies it.
    try:
        return sorted([str(tag) async for tag in repository.tags()])
    except NameUnknown:
        return []

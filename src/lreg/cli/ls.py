"""`lreg ls`: what the local registry holds."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from lreg.admin.codec import to_json
from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.origins import origin_of
from lreg.cli.output.text import columns, print_json
from lreg.cli.registries.completing import repositories
from lreg.errors import NameUnknown, Unauthorized

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from lreg.admin.values import ImageState
    from lreg.client.admin import Admin
    from lreg.client.registry import Registry
    from lreg.client.repository import RemoteRepository
    from lreg.oci.reference import RepositoryName

# So many tag lists are asked for at a time.
_PARALLEL = 32


@click.command(epilog="Example: lreg ls docker.io/")
@click.argument("prefix", default="", shell_complete=repositories)
@access_options
@json_option
def command(prefix: str, *, access: Access, as_json: bool) -> None:
    """List the repositories that begin with PREFIX, and their tags.

    One image a line, REPOSITORY:TAG; a repository without tags stands alone. Of an lreg the second
    column says where the tag is from: pushed, cached, or pushed over an upstream's; on another
    machine only to who has logged in there.
    """
    asyncio.run(_list(prefix, access, as_json=as_json))


async def _list(prefix: str, access: Access, *, as_json: bool) -> None:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415 -- `lreg ls --help` needs no client

    async with Registries(access) as registries:
        admin = await registries.admin()
        images = await _images(admin, prefix) if admin else None
        if images is not None:
            _print(images, as_json=as_json)
            return
        found = with_tags(await registries.local(), prefix)
        if as_json:
            print_json([{"repository": str(name), "tags": tags} async for name, tags in found])
            return
        async for name, tags in found:
            for line in [f"{name}:{tag}" for tag in tags] or [str(name)]:
                click.echo(line)


async def _images(admin: Admin, prefix: str) -> Sequence[ImageState] | None:
    """Return what an lreg knows of its tags; None where it is not for us: names alone are."""
    try:
        return await admin.images(prefix)
    except Unauthorized:
        hint = f"lreg: log in with `docker login {admin.host}` to see where the tags are from"
        click.echo(hint, err=True)
        return None


def _print(images: Sequence[ImageState], *, as_json: bool) -> None:
    if as_json:
        print_json([_json(name, list(each)) for name, each in groupby(images, _repository)])
        return
    for line in columns((image.name, origin_of(image)) for image in images):
        click.echo(line)


def _repository(image: ImageState) -> str:
    return image.repository


def _json(name: str, images: Sequence[ImageState]) -> dict[str, Any]:
    tagged = [image for image in images if image.tag]
    details = [to_json(image) for image in tagged]
    for fields in details:
        del fields["repository"]
    return {"repository": name, "tags": [image.tag for image in tagged], "images": details}


async def with_tags(
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

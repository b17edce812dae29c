"""`lreg rm`: tags and manifests out of a registry."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.registries.completing import images
from lreg.errors import DigestInvalid, ManifestUnknown, NameUnknown, SharedDigest, Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.client.repository import RemoteRepository
    from lreg.oci.digest import Digest
    from lreg.oci.reference import Reference, Tag

# So many tags are looked at a time.
_PARALLEL = 16


@click.command(epilog="Example: lreg rm mine/app:1 mine/app:2")
@click.argument("image", nargs=-1, required=True, shell_complete=images)
@click.option("--force", is_flag=True, help="Remove a manifest even if other tags go with it.")
@access_options
def command(image: tuple[str, ...], *, force: bool, access: Access) -> None:
    """Remove each IMAGE: its tag, or for NAME@DIGEST the manifest and every tag on it.

    A registry that can't remove a tag alone (registry:2) loses the manifest. If other tags mean
    that manifest too they are named and nothing is removed, unless --force is given.
    """
    asyncio.run(_remove_all(image, access, force=force))


async def _remove_all(texts: Sequence[str], access: Access, *, force: bool) -> None:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415 -- `lreg rm --help` needs no client

    async with Registries(access) as registries:
        references = [await registries.locate(text) for text in texts]
        references.sort(key=_place)
        for _, group in groupby(references, key=_place):
            wanted = list(dict.fromkeys(group))
            repository = await registries.repository(wanted[0])
            await Remover(repository, wanted, force=force).run()


def _place(reference: Reference) -> tuple[str, str]:
    return reference.host or "", reference.repository.text


class Remover:
    """Removes some images of one repository, and says on stdout what it removed.

    Args:
        repository: theirs.
        wanted: what to remove; each names a tag or a digest.
        force: whether other tags may go with a manifest.
    """

    def __init__(
        self, repository: RemoteRepository, wanted: Sequence[Reference], *, force: bool
    ) -> None:
        self._repository = repository
        self._wanted = wanted
        self._force = force
        self._name = f"{repository.host}/{repository.name}"

    async def run(self) -> None:
        """Remove them.

        Raises:
            ManifestUnknown: one is not there.
            SharedDigest: other tags would be lost.
            Unsupported: the registry does not delete.
        """
        left = await self._untag([one.tag for one in self._wanted if one.tag and not one.digest])
        digests = dict.fromkeys([one.digest for one in self._wanted if one.digest])
        asked = {one.tag for one in self._wanted}
        lost: dict[Digest, list[Tag]] = {}
        for digest in [*digests, *(one for one in left.values() if one not in digests)]:
            lost[digest] = await self._tags_of(digest)
            others = [tag for tag in lost[digest] if tag not in asked]
            if others and not self._force:
                raise self._refusal(digest, others)
        for digest, tags in lost.items():
            await self._repository.delete_manifest(digest)
            for tag in tags:
                click.echo(f"removed {self._name}:{tag} ({digest})")
            click.echo(f"removed {self._name}@{digest}")

    async def _untag(self, tags: Sequence[Tag]) -> dict[Tag, Digest]:
        """Remove tags where the registry can; return those that are left, and their digests."""
        left: dict[Tag, Digest] = {}
        for tag in tags:
            digest = (await self._repository.resolve(tag)).digest
            try:
                await self._repository.delete_manifest(tag)
            # distribution 2 takes the tag for a digest, and finds that it is none.
            except (Unsupported, DigestInvalid):
                left[tag] = digest
            else:
                click.echo(f"removed {self._name}:{tag} ({digest})")
        return left

    def _refusal(self, digest: Digest, tags: Sequence[Tag]) -> SharedDigest:
        names = ", ".join(f"{self._repository.name}:{tag}" for tag in tags)
        return SharedDigest(
            f"not removed: {self._name}@{digest} is also {names}, which would be lost with it; "
            "remove those too, or use --force"
        )

    async def _tags_of(self, digest: Digest) -> list[Tag]:
        """Return every tag that means the manifest."""
        slots = asyncio.Semaphore(_PARALLEL)

        async def means_it(tag: Tag) -> bool:
            async with slots:
                try:
                    return (await self._repository.resolve(tag)).digest == digest
                except ManifestUnknown:
                    return False

        try:
            tags = sorted([tag async for tag in self._repository.tags()])
        except NameUnknown:  # distribution's word for a repository without tags
            return []
        found = await asyncio.gather(*map(means_it, tags))
        return [tag for tag, means in zip(tags, found, strict=True) if means]

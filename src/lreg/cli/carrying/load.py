"""A bundle's images on their way into the registry here, as they are read."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import click

from lreg.cli.carrying.report import CarriedImage, Counted, Result
from lreg.cli.output.progress import shown
from lreg.cli.registries.bridge import GRACE, aside
from lreg.cli.registries.naming import repository_of
from lreg.cli.registries.remote import Registries
from lreg.client.progress import Outcome
from lreg.errors import LregError, UsageError
from lreg.oci.reference import Reference, canonical_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from lreg.cli.options.access import Access
    from lreg.client.admin import Admin
    from lreg.client.repository import RemoteRepository
    from lreg.images.bundle import Bundle, BundledImage
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName


async def load_bundle(bundle: Bundle, file: str, access: Access, *, quiet: bool) -> Result:
    """Push a bundle's images; return what became of them.

    Args:
        bundle: as `read_bundle` gives it.
        file: what it is called.
        access: how to reach the registry.
        quiet: show no progress.

    Raises:
        UsageError: the bundle is broken, or needs an earlier one that was not loaded.
        DigestInvalid: what it holds has another digest.
    """
    begin = time.monotonic()
    async with Registries(access) as registries:
        with shown(quiet=quiet) as progress:
            counted = Counted(progress)
            loading = _Loading(bundle, registries, counted)
            await loading.blobs()
            await loading.left_out()
            images = [
                await loading.image(file, image, name)
                for image in bundle.images
                for name in image.names
            ]
    return Result(images, counted.moved, time.monotonic() - begin)


class _Loading:
    def __init__(self, bundle: Bundle, registries: Registries, counted: Counted) -> None:
        self._bundle = bundle
        self._registries = registries
        self._counted = counted
        self._wanted: dict[Digest, tuple[Descriptor, dict[RepositoryName, None]]] = {}
        for image in bundle.images:
            blobs = (blob for manifest in image.manifests for blob in manifest.blobs)
            for blob in blobs:
                if blob.distributable:
                    _, into = self._wanted.setdefault(blob.digest, (blob, {}))
                    into |= dict.fromkeys(map(repository_of, image.names))

    async def blobs(self) -> None:
        """Push every blob that comes to the repositories that want it."""
        coming = self._bundle.blobs()
        while found := await aside(lambda: next(coming, None)):
            digest, size, pieces = found
            descriptor, names = self._wanted.pop(digest, (None, {}))
            if descriptor is None:
                continue
            if descriptor.size != size:
                raise UsageError(f"the bundle is broken: {digest} has {size} bytes in it")
            await self._blob(descriptor, list(names), pieces)

    async def left_out(self) -> None:
        """See that what the bundle left out is here; raise UsageError."""
        for digest, (blob, names) in self._wanted.items():
            before = self._bundle.since.get(digest)
            for name in names:
                repository = await self._repository(name)
                if await repository.keeps(digest):
                    continue
                if before is None or not await repository.mount(digest, before):
                    raise UsageError(
                        f"the bundle lacks {digest}, and {repository.host} does too: "
                        + ("load the bundle that it was made since" if before else "it is broken")
                    )
            self._counted.done(blob, Outcome.SKIPPED)

    async def image(self, file: str, image: BundledImage, name: Reference) -> CarriedImage:
        """Push an image's manifests under a name; return what it is there."""
        repository = await self._repository(repository_of(name))
        root = image.manifests[-1]
        adopter = await self._adopter(name) if image.names[name] else None
        for manifest in image.manifests:
            tag = name.tag if manifest is root and not adopter else None
            await repository.put_manifest(manifest, tag or manifest.digest)
            self._counted.count(manifest.descriptor, Outcome.COPIED)
        shown_as = f":{name.tag}" if name.tag else f"@{root.digest}"
        target = f"{repository.host}/{repository.name}{shown_as}"
        origin = "pushed"
        if adopter:
            state = await adopter.adopt(f"{repository.name}:{name.tag}", str(root.digest))
            origin = state.origin
            if state.digest != str(root.digest):
                click.echo(f"lreg: {target} stays the own version that was pushed there", err=True)
        return CarriedImage(file, target, root.descriptor, origin)

    async def _adopter(self, name: Reference) -> Admin | None:
        """Return the lreg that can take what a name means for upstream's; None where none can."""
        admin = await self._registries.admin()
        is_known = admin and canonical_host(name.host or "") in admin.about.upstreams
        return admin if is_known and name.tag else None

    async def _blob(
        self, blob: Descriptor, names: list[RepositoryName], pieces: Iterator[bytes]
    ) -> None:
        lacking = []
        for name in names:
            repository = await self._repository(name)
            if not await repository.keeps(blob.digest):
                lacking.append(repository)
        if not lacking:
            self._counted.done(blob, Outcome.SKIPPED)
            return
        first, *others = lacking
        self._counted.started(blob)
        await first.push_blob(blob, self._watched(blob, pieces))
        for other in others:
            if not await other.mount(blob.digest, first.name):
                raise LregError(f"{other.host} can't give {other.name} what {first.name} has")
        self._counted.done(blob, Outcome.COPIED)

    async def _watched(self, blob: Descriptor, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces; the next is unpacked while one is sent."""
        coming = _following(pieces)
        try:
            while piece := await coming:
                coming = _following(pieces)
                yield piece
                self._counted.advanced(blob, len(piece))
        finally:
            await asyncio.wait([coming], timeout=GRACE)

    async def _repository(self, name: RepositoryName) -> RemoteRepository:
        where = Reference(self._registries.local_host, name)
        return await self._registries.repository(where)


def _following(pieces: Iterator[bytes]) -> asyncio.Task[bytes]:
    return asyncio.ensure_future(aside(lambda: next(pieces, b"")))

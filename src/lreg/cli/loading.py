"""A bundle's images on their way into the registry here, as they are read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lreg.cli.bridge import GRACE, aside
from lreg.cli.naming import repository_of
from lreg.cli.progress import shown
from lreg.cli.remote import Registries
from lreg.client.progress import Outcome
from lreg.errors import LregError, UsageError
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from lreg.cli.access import Access
    from lreg.client.progress import Progress
    from lreg.client.repository import RemoteRepository
    from lreg.images.bundle import Bundle, BundledImage
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName


async def load_bundle(bundle: Bundle, access: Access, *, quiet: bool) -> list[str]:
    """Push a bundle's images; return a line for each name.

    Args:
        bundle: as `read_bundle` gives it.
        access: how to reach the registry.
        quiet: show no progress.

    Raises:
        UsageError: the bundle is broken, or needs an earlier one that was not loaded.
        DigestInvalid: what it holds has another digest.
    """
    async with Registries(access) as registries:
        with shown(quiet=quiet) as progress:
            loading = _Loading(bundle, registries, progress)
            await loading.blobs()
            await loading.left_out()
            return [
                await loading.image(image, name) for image in bundle.images for name in image.names
            ]


class _Loading:
    def __init__(self, bundle: Bundle, registries: Registries, progress: Progress) -> None:
        self._bundle = bundle
        self._registries = registries
        self._progress = progress
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
            self._progress.done(blob, Outcome.SKIPPED)

    async def image(self, image: BundledImage, name: Reference) -> str:
        """Push an image's manifests under a name; return the line that says it."""
        repository = await self._repository(repository_of(name))
        root = image.manifests[-1]
        for manifest in image.manifests[:-1]:
            await repository.put_manifest(manifest, manifest.digest)
        await repository.put_manifest(root, name.tag or root.digest)
        shown_as = f":{name.tag}" if name.tag else ""
        return f"{repository.host}/{repository.name}{shown_as}@{root.digest}"

    async def _blob(
        self, blob: Descriptor, names: list[RepositoryName], pieces: Iterator[bytes]
    ) -> None:
        lacking = []
        for name in names:
            repository = await self._repository(name)
            if not await repository.keeps(blob.digest):
                lacking.append(repository)
        if not lacking:
            self._progress.done(blob, Outcome.SKIPPED)
            return
        first, *others = lacking
        self._progress.started(blob)
        await first.push_blob(blob, self._watched(blob, pieces))
        for other in others:
            if not await other.mount(blob.digest, first.name):
                raise LregError(f"{other.host} can't give {other.name} what {first.name} has")
        self._progress.done(blob, Outcome.COPIED)

    async def _watched(self, blob: Descriptor, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces; the next is unpacked while one is sent."""
        coming = _following(pieces)
        try:
            while piece := await coming:
                coming = _following(pieces)
                yield piece
                self._progress.advanced(blob, len(piece))
        finally:
            await asyncio.wait([coming], timeout=GRACE)

    async def _repository(self, name: RepositoryName) -> RemoteRepository:
        where = Reference(self._registries.local_host, name)
        return await self._registries.repository(where)


def _following(pieces: Iterator[bytes]) -> asyncio.Task[bytes]:
    return asyncio.ensure_future(aside(lambda: next(pieces, b"")))

"""Images of registries on their way into something else: an engine, an archive, a bundle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lreg.cli.carrying.names import as_known
from lreg.cli.carrying.report import CarriedImage, Counted, Result
from lreg.cli.output.progress import shown
from lreg.cli.registries.bridge import in_thread
from lreg.client.copy import find_image, manifests_of
from lreg.client.progress import Outcome
from lreg.images.carrying import Carried, carried_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lreg.cli.carrying.names import NamedImage
    from lreg.cli.registries.bridge import Bridge
    from lreg.cli.registries.remote import Registries
    from lreg.client.progress import Progress
    from lreg.client.repository import RemoteRepository
    from lreg.images.carrying import CarriedFile
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import RepositoryName


async def carry(
    registries: Registries,
    wanted: Sequence[NamedImage],
    platform: Platform | None,
    write: Callable[[Iterator[CarriedFile]], None],
    *,
    since: Mapping[Digest, RepositoryName] | None = None,
    for_bundle: bool = False,
    quiet: bool = False,
) -> Result:
    """Let `write` have the files of a layout of these images, in a thread; return what it took.

    Args:
        registries: where they are.
        wanted: which; one that comes twice is carried once.
        platform: of an index only this image; None: all of it.
        write: takes the files as they come.
        since: blobs to leave out, as `carried_files`.
        for_bundle: whether the layout says which of them are cached, and an index that is named
            by its digest is kept, with the image for that platform alone.
        quiet: show no progress.

    Raises:
        ManifestUnknown: an image is not there, or not for that platform.
    """
    begin = time.monotonic()
    found: dict[NamedImage, tuple[Manifest, ...]] = {}
    holders: dict[Digest, RemoteRepository] = {}
    for one in wanted:
        repository = await registries.repository(one.source)
        found[one] = await _manifests(repository, one, platform, as_named=for_bundle)
        holders |= {blob.digest: repository for manifest in found[one] for blob in manifest.blobs}
    known = await as_known(registries, list(found))
    # Two names may have meant one image.
    images = {
        (one.name, manifests[-1].digest): (
            one,
            Carried((one.name,), manifests, is_cached=for_bundle and one.is_cached),
        )
        for one, manifests in zip(known, found.values(), strict=True)
    }
    carried = [image for _, image in images.values()]
    with shown(quiet=quiet) as progress:
        counted = Counted(progress)
        await in_thread(
            lambda bridge: write(carried_files(carried, _reader(bridge, holders, counted), since))
        )
    _count_rest(carried, counted)
    return Result(
        [
            CarriedImage(
                str(one.source),
                one.name,
                image.root.descriptor,
                "cached" if image.is_cached else "",
            )
            for one, image in images.values()
        ],
        counted.moved,
        time.monotonic() - begin,
    )


async def _manifests(
    repository: RemoteRepository, one: NamedImage, platform: Platform | None, *, as_named: bool
) -> tuple[Manifest, ...]:
    image = await find_image(repository, one.source.selector, platform)
    manifests = await manifests_of(repository, image)
    if not as_named or one.source.digest in (None, image.digest):
        return manifests
    return *manifests, await repository.manifest(one.source.digest)


def _count_rest(images: Iterable[Carried], counted: Counted) -> None:
    """Count what the layout has besides blobs that were read, and those that were not."""
    for image in images:
        for manifest in image.manifests:
            counted.count(manifest.descriptor, Outcome.COPIED)
        for blob in image.blobs.values():
            counted.count(blob, Outcome.SKIPPED)


def _reader(
    bridge: Bridge, holders: Mapping[Digest, RemoteRepository], progress: Progress
) -> Callable[[Descriptor], Iterator[bytes]]:
    def read(blob: Descriptor) -> Iterator[bytes]:
        progress.started(blob)
        for piece in bridge.pieces(holders[blob.digest].blob(blob)):
            progress.advanced(blob, len(piece))
            yield piece
        progress.done(blob, Outcome.COPIED)

    return read

"""Images of registries on their way into something else: an engine, an archive, a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.cli.bridge import in_thread
from lreg.cli.progress import shown
from lreg.client.copy import find_image, manifests_of
from lreg.client.progress import Outcome
from lreg.images.carrying import Carried, carried_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lreg.cli.bridge import Bridge
    from lreg.cli.remote import Registries
    from lreg.client.progress import Progress
    from lreg.client.repository import RemoteRepository
    from lreg.images.carrying import CarriedFile
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Reference, RepositoryName


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that is to be carried.

    Attributes:
        source: where it is, the registry named.
        name: what it is to be called: a reference with a tag, or with a digest.
    """

    source: Reference
    name: str


async def carry(
    registries: Registries,
    wanted: Sequence[Wanted],
    platform: Platform | None,
    write: Callable[[Iterator[CarriedFile]], None],
    *,
    since: Mapping[Digest, RepositoryName] | None = None,
    quiet: bool = False,
) -> tuple[Carried, ...]:
    """Let `write` have the files of a layout of these images, in a thread; return what they are.

    Args:
        registries: where they are.
        wanted: which; one that comes twice is carried once.
        platform: of an index only this image; None: all of it.
        write: takes the files as they come.
        since: blobs to leave out, as `carried_files`.
        quiet: show no progress.

    Raises:
        ManifestUnknown: an image is not there, or not for that platform.
    """
    images: dict[Wanted, Carried] = {}
    holders: dict[Digest, RemoteRepository] = {}
    for one in wanted:
        repository = await registries.repository(one.source)
        root = await find_image(repository, one.source.selector, platform)
        images[one] = Carried((one.name,), await manifests_of(repository, root))
        holders |= dict.fromkeys(images[one].blobs, repository)
    carried = tuple(images.values())
    with shown(quiet=quiet) as progress:
        await in_thread(
            lambda bridge: write(carried_files(carried, _reader(bridge, holders, progress), since))
        )
    return carried


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

"""Images that lie on this machine, pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.cli.output.progress import shown
from lreg.client.copy import Options, push_image

if TYPE_CHECKING:
    from lreg.cli.registries.remote import Registries
    from lreg.client.progress import Copied
    from lreg.images.archive import ArchivedImage
    from lreg.oci.reference import Reference


async def push_archived(
    registries: Registries, image: ArchivedImage, target: Reference, *, quiet: bool
) -> Copied:
    """Push an image of an engine or an archive to what it is to be called; return what moved.

    Args:
        registries: the target's among them.
        image: the image.
        target: with a host; without a tag it is pushed by its digest alone.
        quiet: show no progress.
    """
    with shown(quiet=quiet) as progress:
        return await push_image(
            image.blobs,
            image.manifests,
            await registries.repository(target),
            target.tag,
            # Whether upstream has any of it, or is there at all, has no say in this.
            options=Options(ask=False),
            progress=progress,
        )

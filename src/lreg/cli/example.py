"""The example image into a new registry: what `make run` starts with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.client.registry import Registry
from lreg.images.build import build, source_date_epoch
from lreg.images.source import ImageSource
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import BinaryIO

_PIECE = 1 << 20


@dataclass(frozen=True)
class Pieces:
    """The content of a file in pieces, from its beginning each time it is iterated."""

    file: BinaryIO

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces."""
        self.file.seek(0)
        while piece := self.file.read(_PIECE):
            yield piece


async def push_example(url: str, folder: Path, *, ca: Path | None = None) -> Reference:
    """Build the image of `folder` and push it; return what it is called there.

    Args:
        url: of the registry.
        folder: with an image.json (lreg.images.source).
        ca: the authority of the registry's certificate.

    Raises:
        LregError: the folder makes no image, or the registry does not take it.
    """
    source = ImageSource.read(folder)
    async with Registry(url, ca=ca) as registry:
        repository = registry.repository(source.name.repository)
        with build(source, epoch=source_date_epoch(os.environ)) as image:
            for descriptor, content in image.blobs:
                await repository.push_blob(descriptor, Pieces(content))
            for manifest in image.manifests:
                await repository.put_manifest(manifest, manifest.digest)
            await repository.put_manifest(image.top, source.name.selector)
        return Reference(registry.host, source.name.repository, source.name.tag)

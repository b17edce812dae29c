"""The example image into a new registry: what `make run` starts with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lreg.client.copy import push_image
from lreg.client.registry import Registry
from lreg.images.building.build import source_date_epoch
from lreg.images.building.described import ImageSource
from lreg.images.building.sources import build
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path


async def push_example(url: str, folder: Path, *, ca: Path | None = None) -> Reference:
    """Build the image of `folder` and push it; return what it is called there.

    Args:
        url: of the registry.
        folder: with an image.json (lreg.images.building.described).
        ca: the authority of the registry's certificate.

    Raises:
        LregError: the folder makes no image, or the registry does not take it.
    """
    source = ImageSource.read(folder)
    async with Registry(url, ca=ca) as registry:
        repository = registry.repository(source.name.repository)
        with build(source, epoch=source_date_epoch(os.environ)) as image:
            await push_image(image.blobs, image.manifests, repository, source.name.tag)
        return Reference(registry.host, source.name.repository, source.name.tag)

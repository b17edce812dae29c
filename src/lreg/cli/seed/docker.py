"""What `images mkimage` builds without --upload: Docker takes it, as `docker build` leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.images.archive import open_archive
from lreg.images.carrying import Carried, carried_files, write_tar
from lreg.images.engines.choosing import engine
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path


def load(archive: Path, tag: str) -> None:
    """Have Docker load the image of an OCI archive.

    Args:
        archive: the tar of an OCI layout.
        tag: what the image is to be called.

    Raises:
        LregError: no Docker answers here, or it refuses the image.
    """
    name = str(Reference.parse(tag).familiar())
    with open_archive(archive) as image:
        carried = Carried((name,), image.manifests)
        files = carried_files((carried,), image.reader())
        engine("docker").load(lambda target: write_tar(files, target))

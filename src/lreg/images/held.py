"""Images that lie on this machine: in an engine, or in an archive."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lreg.images.archive import opened
from lreg.images.engines.choosing import engine, find_engine
from lreg.images.members import open_files, open_tar
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.images.archive import ArchivedImage

# How skopeo and its kin write where an image is (containers-transports(5)).
_ENGINES = {
    "docker-daemon": "docker",
    "containers-storage": "podman",
    "containerd": "containerd",
}
_ARCHIVES = {"docker-archive", "oci-archive", "oci"}


@contextmanager
def held_images(
    ref: str, engine_name: str | None, platform: Platform | None
) -> Iterator[tuple[str, tuple[ArchivedImage, ...]]]:
    """Give what an argument means: what it is called in errors, and its images.

    Args:
        ref: an image of an engine, the path of an archive, or either as skopeo writes it.
        engine_name: the only engine to ask; None: paths go first, then whichever has it.
        platform: of an index only this image; None: all of it.

    Raises:
        UsageError: the archive can't be read, or is none.
        LregError: no engine here has such an image.
    """
    transport, _, rest = ref.partition(":")
    path = Path(rest if transport in _ARCHIVES else ref)
    is_path = transport in _ARCHIVES or ref.startswith(("/", ".")) or path.exists()
    if engine_name is None and is_path:
        with opened(str(path), open_files(path), platform) as images:
            yield ref, images
        return
    name = rest if transport in _ENGINES else ref
    chosen = engine_name or _ENGINES.get(transport)
    holder = engine(chosen) if chosen else find_engine(name)
    with tempfile.TemporaryFile() as file:
        holder.save(name, file, platform)
        file.seek(0)
        what = f"{holder.name}'s {name}"
        # Of an index engines hold what is for this machine, and give no more of it away.
        with opened(what, open_tar(file), platform, Platform.here()) as images:
            # It is called here as it was asked for, whatever else it is called there.
            yield what, tuple(replace(image, names=(name,)) for image in images)

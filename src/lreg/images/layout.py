"""OCI layouts in a folder (image-layout.md), which others may share: images are added to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lreg.errors import RegistryError, UsageError
from lreg.images.carrying import INDEX, REF_NAME
from lreg.images.whole import whole_file
from lreg.locks import alone
from lreg.oci.encoding import json_bytes
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lreg.images.carrying import CarriedFile


def write_folder(files: Iterable[CarriedFile], folder: Path) -> None:
    """Write the files of a layout into a folder, made if it is not there.

    Images that the layout there has stay, but for those whose names come now; what it holds is not
    read again. Its index is replaced at the end, at once.

    Raises:
        UsageError: what is there is no layout.
        OSError: it can't be written.
    """
    _index_of(folder)
    coming = b""
    for file in files:
        path = folder / file.name
        if file.name == INDEX:
            coming = b"".join(file.pieces)
        elif file.name.startswith("blobs/") and _has(path, file.size):
            continue
        elif file.name != "manifest.json":
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as target:
                target.writelines(file.pieces)
    with alone(folder), whole_file(folder / INDEX) as target:
        target.write(_merged(_index_of(folder), json.loads(coming)))


def _has(path: Path, size: int) -> bool:
    """Return whether a file is there: what is there is whole, and named by its digest."""
    try:
        return path.stat().st_size == size
    except (FileNotFoundError, NotADirectoryError):
        return False


def _index_of(folder: Path) -> dict[str, Any]:
    """Return the index of the layout in a folder; one of nothing where there is none."""
    path = folder / INDEX
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MANIFEST_SIZE + 1)
        return dict(Manifest.parse(raw).fields)
    except FileNotFoundError:
        return {}
    except RegistryError as error:
        raise UsageError(f"{path} is no index of an OCI layout: {error}") from error


def _merged(old: dict[str, Any], new: dict[str, Any]) -> bytes:
    """Return the old index with the images of the new one, also in place of their namesakes."""
    coming = new["manifests"]
    names = set(map(_name, coming))
    staying = [one for one in old.get("manifests") or () if _name(one) not in names]
    return json_bytes({**new, **old, "manifests": [*staying, *coming]})


def _name(entry: dict[str, Any]) -> str:
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""

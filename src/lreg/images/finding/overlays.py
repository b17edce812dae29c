"""xcluster's overlays: folders found by their names along a path, as `xcluster ovld` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "XCLUSTER_OVLPATH"


def locate(name: str, environ: Mapping[str, str]) -> Path:
    """Return the file or folder that is meant: itself, or the overlay of that name.

    Raises:
        UsageError: there is neither.
    """
    # pathlib takes it for this folder; it is a variable of a script with nothing in it.
    if not name:
        raise UsageError("an empty name is no file or folder")
    path = Path(name)
    if path.exists():
        return path
    places = [place for place in environ.get(VARIABLE, "").split(":") if place]
    for place in places:
        if (overlay := Path(place) / name).is_dir():
            return overlay
    where = f" nor an overlay along ${VARIABLE}" if places else ""
    raise UsageError(f"{name!r:.200} is no file or folder{where}")

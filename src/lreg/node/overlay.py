"""Files of nodes as a tar that is unpacked on `/`, as xcluster and image builders do."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.node.plan import NodeFile

# A hosts file of the overlay takes the place of one that had at least these.
_LOCALHOST = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def overlay(files: Iterable[NodeFile]) -> bytes:
    """Return a tar of files, maybe several runtimes' (POSIX.1-1988, ustar).

    The same files give the same bytes, whatever their order; one that several want comes once.

    They are root's and have no time. Folders are not in it: where it is unpacked, those that are
    there keep their modes.

    Raises:
        UsageError: two of them are for the same path and differ.
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in _together(files):
            content = _whole(file).encode()
            header = tarfile.TarInfo(file.path)
            header.size, header.mode = len(content), file.mode
            tar.addfile(header, io.BytesIO(content))
    return made.getvalue()


def _whole(file: NodeFile) -> str:
    return _LOCALHOST + file.text if file.merge is Merge.HOSTS else file.text


def _together(files: Iterable[NodeFile]) -> tuple[NodeFile, ...]:
    found: dict[str, NodeFile] = {}
    for file in files:
        if found.setdefault(file.path, file) != file:
            raise UsageError(
                f"two runtimes want {file.path} differently: make an overlay for each of them"
            )
    return tuple(found[path] for path in sorted(found))

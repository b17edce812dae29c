"""Files of a node as a tar: the same bytes for the same files, whoever makes it and when."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.node.plan import NodeFile


def write_tar(files: Iterable[NodeFile], stream: BinaryIO) -> None:
    """Write a tar (POSIX.1-1988 ustar) of the files and their folders, root's, of 1970.

    Args:
        files: whole, as on a node that had none of them.
        stream: where to; it need not be seekable.
    """
    ordered = sorted(files, key=lambda file: file.path)
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        made: set[str] = set()
        for file in ordered:
            for folder in reversed(PurePosixPath(file.path).parents[:-1]):
                if str(folder) not in made:
                    made.add(str(folder))
                    tar.addfile(_entry(str(folder), 0o755, tarfile.DIRTYPE))
            content = file.text.encode()
            entry = _entry(file.path, file.mode, tarfile.REGTYPE)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _entry(path: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    entry.uname = entry.gname = "root"
    return entry

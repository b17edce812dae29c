"""The files of one layer, as its tar says."""

from __future__ import annotations

import posixpath
import stat
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.tars import tar_headers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lreg.images.contents.unpacking import Plain

# Of one layer: those of a million files.
_MAX_HEADERS = 1 << 30
# Seconds on either side of 1970, as large as a float counts them one by one.
_MAX_TIME = 1 << 53
_XATTR = "SCHILY.xattr."
_TYPES = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
_TYPE_FLAGS = {kind: flag for flag, kind in _TYPES.items()} | {stat.S_IFREG: tarfile.REGTYPE}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a layer, or in an image.

    Attributes:
        path: without a slash at its beginning and end; "" is the root.
        mode: type and permissions, as in `os.stat_result.st_mode`.
        uid, gid: its owner and group.
        size: of its content in bytes; 0 for what has none.
        mtime: in seconds since 1970.
        target: what a symbolic link says; for a hard link, the path of the file that it is.
        hard: whether it is a hard link, and everything else is said by its target.
        device: major and minor number of a device.
        xattrs: extended attributes, as pax headers call and write them.
        place: which layer of the image, from 0, and which file of that layer it is.
    """

    path: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    mtime: float = 0
    target: str = ""
    hard: bool = False
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, str] = field(default_factory=dict)
    place: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it has content."""
        return stat.S_ISREG(self.mode) and not self.hard

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


def read_entries(layer: Plain, number: int = 0, *, or_nothing: bool = True) -> Iterator[Entry]:
    """Yield the files of a layer in its order; after one its content can be read from `layer`.

    Args:
        layer: the layer's tar.
        number: which layer of its image it is.
        or_nothing: whether it may have no byte at all: Docker and podman take that for a layer of
            no files.

    Raises:
        UsageError: it is no tar, or names a file outside of the image.
    """
    for position, header in enumerate(tar_headers(layer, _MAX_HEADERS, or_nothing=or_nothing)):
        yield _entry(header, (number, position))


def _entry(header: tarfile.TarInfo, place: tuple[int, int]) -> Entry:
    if header.issparse():
        raise UsageError(f"{header.name!r:.200} is a sparse file, which no layer may have")
    path = inside(header.name)
    hard = header.islnk()
    kind = _TYPES.get(header.type, stat.S_IFREG)
    return Entry(
        path,
        kind | header.mode & 0o7777,
        header.uid,
        header.gid,
        header.size if kind == stat.S_IFREG and not hard else 0,
        _mtime(header),
        inside(header.linkname) if hard else header.linkname,
        hard,
        (header.devmajor, header.devminor),
        {key: text for key, text in header.pax_headers.items() if key.startswith(_XATTR)},
        place,
    )


def _mtime(header: tarfile.TarInfo) -> float:
    """Return a time that a file can have: pax headers may say anything, `inf` and `nan` too."""
    return header.mtime if abs(header.mtime) < _MAX_TIME else 0


def inside(name: str) -> str:
    """Return a path in a layer without what has no meaning there: `/etc/`, `./etc` are `etc`.

    Raises:
        UsageError: it leads out of the image.
    """
    path = posixpath.normpath(f"/{name}").lstrip("/")
    if ".." in name.split("/"):
        raise UsageError(f"{name!r:.200} leads out of the image")
    return path


def header_of(entry: Entry) -> tarfile.TarInfo:
    """Return the header of a file that is no hard link."""
    header = tarfile.TarInfo(entry.path)
    header.type = _TYPE_FLAGS[stat.S_IFMT(entry.mode)]
    header.mode = stat.S_IMODE(entry.mode)
    header.uid, header.gid = entry.uid, entry.gid
    header.mtime = entry.mtime
    header.size = entry.size
    header.linkname = entry.target
    header.devmajor, header.devminor = entry.device
    header.pax_headers = dict(entry.xattrs)
    return header


def link_to(entry: Entry, path: str) -> tarfile.TarInfo:
    """Return the header by which a file is a hard link to the one at `path`."""
    header = header_of(entry)
    header.type, header.linkname, header.size = tarfile.LNKTYPE, path, 0
    return header

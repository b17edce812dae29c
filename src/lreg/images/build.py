"""Images out of folders, without Docker: the same folders give the same bytes.

One layer for each platform: a tar of its root in the order of names, owned by root, with the modes
that git keeps (executable or not; set-id and sticky bits stay) and one modification time, in gzip.
The same digest everywhere needs the same zlib; the digest of the tar (the diff_id) does not.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from lreg.errors import UsageError
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lreg.images.source import ImageSource
    from lreg.oci.platform import Platform

# A layer beyond this many bytes lies in a temporary file.
_IN_MEMORY = 8 << 20
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class BuiltImage:
    """An image ready to push: blobs first, then manifests, then `top` under the tag.

    Attributes:
        blobs: configs and layers, each with its content, readable and seekable while the
            `build` that made it lasts.
        manifests: one for each platform.
        top: what the tag means: the only manifest, or an index of all.
    """

    blobs: tuple[tuple[Descriptor, BinaryIO], ...]
    manifests: tuple[Manifest, ...]
    top: Manifest


@contextmanager
def build(source: ImageSource, *, epoch: int = 0) -> Iterator[BuiltImage]:
    """Build the image of `source`; its layers are gone when the context ends.

    Args:
        source: names, folders and what runs.
        epoch: every time in the image, in seconds since 1970.

    Raises:
        UsageError: a root holds something that an image can't (a socket, a device), or that
            can't be read.
    """
    blobs: list[tuple[Descriptor, BinaryIO]] = []
    manifests: list[Manifest] = []
    children: list[Descriptor] = []
    with ExitStack() as files:
        for platform, root in source.roots.items():
            content = files.enter_context(_temporary())
            layer, diff_id = _write_layer(root, content, epoch)
            raw_config = _config(source.run, platform, diff_id, epoch)
            config = Descriptor(mediatypes.OCI_CONFIG, Digest.of(raw_config), len(raw_config))
            manifest = write_manifest(
                mediatypes.OCI_MANIFEST, config=config.to_json(), layers=[layer.to_json()]
            )
            blobs += [(config, io.BytesIO(raw_config)), (layer, content)]
            manifests.append(manifest)
            children.append(
                Descriptor(
                    manifest.media_type, manifest.digest, len(manifest.raw), platform=platform
                )
            )
        top = manifests[0]
        if len(manifests) > 1:
            top = write_manifest(
                mediatypes.OCI_INDEX, manifests=[child.to_json() for child in children]
            )
        yield BuiltImage(tuple(blobs), tuple(manifests), top)


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """Return SOURCE_DATE_EPOCH (reproducible-builds.org), 0 where it is not set.

    Raises:
        UsageError: it is not a number of seconds.
    """
    text = environ.get("SOURCE_DATE_EPOCH") or "0"
    if not text.isdecimal():
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r:.80}: give whole seconds since 1970")
    return int(text)


class _Writer(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Hashing:
    """Passes on what is written, and knows its digest and size in bytes."""

    def __init__(self, target: _Writer) -> None:
        self._target = target
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hasher.update(data)
        self.size += len(data)
        return self._target.write(data)

    def flush(self) -> None:
        """Nothing is held back here; gzip asks."""

    @property
    def digest(self) -> Digest:
        return Digest.finished(Algorithm.SHA256, self._hasher)


def _temporary() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))


def _write_layer(root: Path, target: BinaryIO, epoch: int) -> tuple[Descriptor, Digest]:
    """Write the layer to `target`, rewound; return its descriptor and the tar's digest."""
    packed = _Hashing(target)
    with gzip.GzipFile("", "wb", _GZIP_LEVEL, cast("BinaryIO", packed), mtime=0) as zipped:
        plain = _Hashing(cast("_Writer", zipped))
        with tarfile.open(
            mode="w|", fileobj=cast("BinaryIO", plain), format=tarfile.PAX_FORMAT
        ) as tar:
            for name, path in _walk(str(root)):
                try:
                    _add(tar, name, path, epoch)
                except OSError as error:
                    raise UsageError(
                        f"{path} can't be put into the image: {error.strerror or error}"
                    ) from error
    target.seek(0)
    return Descriptor(mediatypes.OCI_LAYER_GZIP, packed.digest, packed.size), plain.digest


def _walk(folder: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give every name below `folder`, a folder before its content, with its path."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        yield prefix + name, path
        if os.path.isdir(path) and not os.path.islink(path):
            yield from _walk(path, f"{prefix}{name}/")


def _add(tar: tarfile.TarFile, name: str, path: str, epoch: int) -> None:
    status = os.lstat(path)
    entry = tarfile.TarInfo(name)
    entry.mtime = epoch
    special = stat.S_IMODE(status.st_mode) & 0o7000
    executable = stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IXUSR
    entry.mode = special | (0o755 if executable else 0o644)
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFDIR:
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        case stat.S_IFLNK:
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
            tar.addfile(entry)
        case stat.S_IFREG:
            entry.size = status.st_size
            with open(path, "rb") as content:
                tar.addfile(entry, content)
        case _:
            raise UsageError(f"{path} is no file, folder or link: an image can't hold it")


def _config(run: Mapping[str, Any], platform: Platform, diff_id: Digest, epoch: int) -> bytes:
    """Return the image config (image-spec, config.md)."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields: dict[str, Any] = {
        "architecture": platform.architecture,
        "config": dict(run),
        "created": created,
        "history": [{"created": created, "created_by": "lreg"}],
        "os": platform.os,
        "rootfs": {"diff_ids": [str(diff_id)], "type": "layers"},
    }
    if platform.variant:
        fields["variant"] = platform.variant
    return _json(fields)


def write_manifest(media_type: str, **fields: object) -> Manifest:
    """Return the manifest with these fields, the same bytes for the same fields."""
    return Manifest.parse(_json({"mediaType": media_type, "schemaVersion": 2, **fields}))


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()

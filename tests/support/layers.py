"""Layers of images, made by hand: each file with the header it is to have."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from tests.support.images import Content, Image, layered

Member = tuple[tarfile.TarInfo, bytes]

TOOL = b"0123456789abcde\n" * 20_000


def member(name: str, data: bytes = b"", **more: Any) -> Member:
    """Return a file of a layer; `more` are attributes of its header."""
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = len(data), 0o644, 1_700_000_000
    for key, value in more.items():
        setattr(header, key, value)
    return header, data


def folder(name: str, mode: int = 0o755) -> Member:
    """Return a directory of a layer."""
    return member(name, type=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE, mode: int = 0o777) -> Member:
    """Return a symbolic link, or a hard one, which has the mode of its file."""
    return member(name, type=kind, linkname=target, mode=mode)


def layer(*members: Member) -> bytes:
    """Return the tar of a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for header, data in members:
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


BASE = (
    folder("etc"),
    member("etc/motd", b"hello\n", uid=3, gid=4),
    member("etc/gone", b"x"),
    folder("usr"),
    folder("usr/bin"),
    member("usr/bin/tool", TOOL, mode=0o4755),
    link("usr/bin/alias", "usr/bin/tool", tarfile.LNKTYPE, 0o4755),
    link("bin", "usr/bin"),
    folder("var"),
    folder("var/cache", mode=0o1777),
    member("var/cache/one", b"1"),
    member("var/cache/two", b"2"),
    member("pipe", type=tarfile.FIFOTYPE),
)

TOP = (
    member("etc/.wh.gone"),
    member("etc/motd", b"changed\n"),
    folder("var"),
    folder("var/cache", mode=0o700),
    member("var/cache/.wh..wh..opq"),
    member("var/cache/three", b"3"),
    # Of a file with two names one is replaced: the other stays what it was.
    member("usr/bin/tool", b"new tool", mode=0o755),
    link("usr/bin/motd", "../../etc/motd"),
)

THROUGH = member("bin/through", b"through a link", mode=0o755)

LAYERED = layered(layer(*BASE), layer(*TOP, THROUGH), docker=True)


def packed(data: bytes, kind: str, blob: bytes) -> Image:
    """Return an image of one layer, packed in another way than usual."""
    made = layered(data)
    layer_of = made.blobs[1].descriptor()
    other = Content(f"application/vnd.oci.image.layer.v1.{kind}", blob)
    raw = made.manifest.data
    for key in ("digest", "size", "mediaType"):
        old, new = layer_of[key], other.descriptor()[key]
        raw = raw.replace(f'"{key}":{_json(old)}'.encode(), f'"{key}":{_json(new)}'.encode())
    return Image(Content(made.manifest.media_type, raw), (made.blobs[0], other), made.tars)


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)

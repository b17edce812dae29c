"""What is in an image that a registry holds, told without lreg's own code: to compare builders."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from tests.support.wire import Wire


@dataclass(frozen=True, slots=True)
class File:
    """A file of an image, its time left out.

    Attributes:
        kind: the letter that `ls -l` begins with, and the permissions.
        owner: user and group.
        content: its bytes, or what it links to.
        names: all names of it, where it has several.
    """

    kind: str
    owner: tuple[int, int]
    content: bytes = b""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Flat:
    """An image: its files by their names, and its config."""

    files: dict[str, File]
    config: dict[str, Any]
    layers: int

    def said(self) -> dict[str, Any]:
        """Return what the config says of how to run it, spelt in one way."""
        run = self.config.get("config") or {}
        keys = ("Cmd", "Entrypoint", "User", "StopSignal", "Healthcheck", "Shell", "OnBuild")
        said = {key: run[key] for key in keys if run.get(key)}
        said["Env"] = sorted(run.get("Env") or ())
        said["Labels"] = {
            name: value
            for name, value in (run.get("Labels") or {}).items()
            if not name.startswith("io.buildah.")
        }
        said["Ports"] = sorted(run.get("ExposedPorts") or ())
        said["Volumes"] = sorted(run.get("Volumes") or ())
        said["WorkingDir"] = run.get("WorkingDir") or "/"
        return said


def flattened(wire: Wire, name: str, tag: str) -> Flat:
    """Return an image that a registry holds; none with whiteouts."""
    manifest = wire.manifest(name, tag).json()
    tree: dict[str, File] = {}
    for layer in manifest["layers"]:
        _apply(tree, _unpacked(wire.blob(name, layer["digest"]).body))
    config = wire.blob(name, manifest["config"]["digest"]).json()
    return Flat(tree, config, len(manifest["layers"]))


def _unpacked(blob: bytes) -> bytes:
    if blob.startswith(b"\x1f\x8b"):
        return gzip.decompress(blob)
    if blob.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().decompressobj().decompress(blob)
    return blob


def _apply(tree: dict[str, File], tar: bytes) -> None:
    linked: dict[str, set[str]] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as layer:
        for entry in layer:
            name = entry.name.removeprefix("./").strip("/")
            assert ".wh." not in name
            if name in ("", "."):
                continue
            if entry.islnk():
                first = entry.linkname.removeprefix("./").strip("/")
                tree[name] = tree[first]
                linked.setdefault(first, {first}).add(name)
                continue
            content = entry.linkname.encode()
            if entry.isreg() and (opened := layer.extractfile(entry)):
                content = opened.read()
            tree[name] = File(_kind(entry), (entry.uid, entry.gid), content)
    for names in linked.values():
        for name in names:
            file = tree[name]
            tree[name] = File(file.kind, file.owner, file.content, frozenset(names))


def _kind(entry: tarfile.TarInfo) -> str:
    if entry.issym():
        return "link"  # whose mode means nothing
    kind = stat.S_IFDIR if entry.isdir() else stat.S_IFREG
    return stat.filemode(kind | entry.mode)

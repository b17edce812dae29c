"""podman and containerd, asked by their own programs."""

from __future__ import annotations

import os
import shutil
from typing import IO, TYPE_CHECKING

from lreg.images.engines.engine import Program
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from lreg.oci.platform import Platform

# Where CRI, `ctr` and dockerd keep their images in a containerd.
_NAMESPACES = ("k8s.io", "default", "moby")
NAMESPACE_VARIABLE = "CONTAINERD_NAMESPACE"


class Podman:
    """This user's containers-storage, which buildah, skopeo and CRI-O keep images in too."""

    name = "podman"

    def __init__(self) -> None:
        self._podman = Program("podman")

    def lacks(self) -> str:
        """Return why it can't be asked, in words; "" where it can."""
        return self._podman.lacks()

    def has(self, image: str) -> bool:
        """Return whether it holds an image of this name."""
        return self._podman.asks("image", "exists", image) is not None

    def save(self, image: str, target: IO[bytes], platform: Platform | None = None) -> None:
        """Write an image to a file; it is for one platform."""
        self._podman.writes(target, "image", "save", "--quiet", "--format=oci-archive", image)

    def load(self, write: Callable[[BinaryIO], None]) -> None:
        """Take the images of an archive."""
        self._podman.reads(write, "image", "load", "--quiet")


class Containerd:
    """containerd, in the namespace of CRI, of `ctr` or of dockerd; or $CONTAINERD_NAMESPACE."""

    name = "containerd"

    def __init__(self) -> None:
        named = os.environ.get(NAMESPACE_VARIABLE)
        self._namespaces = (named,) if named else _NAMESPACES

    def lacks(self) -> str:
        """Return why it can't be asked, in words; "" where it can."""
        if not shutil.which("ctr"):
            return "there is no ctr here"
        return "" if Program("ctr").asks("version") is not None else "containerd does not answer"

    def has(self, image: str) -> bool:
        """Return whether it holds an image of this name, in full or as Docker shortens it."""
        return self._where(_full(image)) is not None

    def save(self, image: str, target: IO[bytes], platform: Platform | None = None) -> None:
        """Write an image to a file: what of it is for this machine, or for that platform."""
        name = _full(image)
        namespace = self._where(name) or self._namespaces[0]
        wanted = ("--platform", str(platform)) if platform else ()
        self._ctr(namespace).writes(target, "images", "export", *wanted, "-", name)

    def load(self, write: Callable[[BinaryIO], None]) -> None:
        """Take the images of an archive, into the first of the namespaces."""
        self._ctr(self._namespaces[0]).reads(write, "images", "import", "-")

    def _where(self, name: str) -> str | None:
        for namespace in self._namespaces:
            names = self._ctr(namespace).asks("images", "list", "--quiet", f"name=={name}")
            if names and name in names.splitlines():
                return namespace
        return None

    @staticmethod
    def _ctr(namespace: str) -> Program:
        return Program("ctr", "--namespace", namespace)


def _full(image: str) -> str:
    return str(Reference.parse(image).familiar())

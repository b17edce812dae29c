"""Reading from one repository on disk. Everything here blocks: call it in a thread."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from lreg.errors import BlobUnknown, ManifestUnknown, NameUnknown, RegistryError
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import Tag
from lreg.store import files
from lreg.store.listing import page_of_tags
from lreg.store.protocol import BLOB_TYPE, Filed, Held, Page, Readable

if TYPE_CHECKING:
    from lreg.oci.reference import RepositoryName
    from lreg.store.cache import Memory
    from lreg.store.files import Stamp
    from lreg.store.layout import RepositoryPaths
    from lreg.store.listing import Listings
    from lreg.store.tree import Link, Tree

SMALL = 64 << 10
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
MANIFEST, BLOB = "manifest ", "blob "
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]*/[\w.+-]+", re.ASCII)


class Reader:
    """What one repository holds, as it lies on disk."""

    __slots__ = ("_memory", "_name", "_paths", "_tree")

    def __init__(self, name: RepositoryName, tree: Tree, memory: Memory) -> None:
        self._name = name
        self._tree = tree
        self._memory = memory
        self._paths: RepositoryPaths = tree.layout.repository(name.text)

    def manifest(self, want: Tag | Digest, path: str) -> tuple[Held, Stamp | None]:
        """Return the manifest behind the link at `path`, and the link's stamp."""
        link = self._find(want, path)
        if link is None:
            raise self.missing(ManifestUnknown(f"no manifest {want} in {self._name}"))
        digest = want if isinstance(want, Digest) else link.target
        held = self._memory.content(digest.hex, MANIFEST)
        if held is None:
            raw = files.read_file(self._tree.layout.blob(link.target))
            if raw is None:
                raise ManifestUnknown(f"the manifest {want} of {self._name} was removed")
            held = Held(digest, _media_type(raw, digest), raw)
        return held, link.stamp

    def blob(self, digest: Digest, path: str) -> tuple[Readable, Stamp | None]:
        """Return the blob behind the link at `path`, and the link's stamp."""
        link = self._tree.read_link(path)
        if link is None:
            raise self.missing(BlobUnknown(f"no blob {digest} in {self._name}"))
        try:
            descriptor = os.open(self._tree.layout.blob(link.target), os.O_RDONLY)
        except FileNotFoundError:
            raise BlobUnknown(f"the blob {digest} of {self._name} was removed") from None
        size = os.fstat(descriptor).st_size
        if size > SMALL:
            return Filed(digest, BLOB_TYPE, size, descriptor), None
        with open(descriptor, "rb", buffering=0) as file:
            return Held(digest, BLOB_TYPE, file.readall()), link.stamp

    def tags(self, listings: Listings, limit: int, last: str) -> Page[Tag]:
        """Return up to `limit` tags after `last`; raise NameUnknown."""
        page = page_of_tags(listings, self._paths, limit, last)
        if not page.items and not self._tree.has_repository(self._paths):
            raise self.missing(NameUnknown())
        return page

    def missing(self, error: RegistryError) -> RegistryError:
        """Return `error`, or that there is no such repository at all."""
        if self._tree.has_repository(self._paths):
            return error
        return NameUnknown(f"there is no repository {self._name}", detail={"name": self._name.text})

    def _find(self, want: Tag | Digest, path: str) -> Link | None:
        """Return the link to a manifest that this repository holds."""
        link = self._tree.read_link(path)
        while link and isinstance(want, Tag):
            if os.access(self._paths.revision(link.target), os.F_OK):
                break
            # The manifest is gone: with its tag, or after that was moved on.
            before, link = link, self._tree.read_link(path)
            if link and link.target == before.target:
                return None
        return link


def _media_type(raw: bytes, digest: Digest) -> str:
    """Return the type to serve a stored manifest as, also one that lreg would not accept."""
    try:
        return Manifest.parse(raw, algorithm=digest.algorithm).media_type
    except RegistryError:
        pass
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return BLOB_TYPE
    if not isinstance(fields, dict):
        return BLOB_TYPE
    declared = fields.get("mediaType")
    if isinstance(declared, str) and _MEDIA_TYPE.fullmatch(declared):
        return declared
    return SCHEMA_1 if fields.get("schemaVersion") == 1 else BLOB_TYPE

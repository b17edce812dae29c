"""Changing one repository on disk. Everything here blocks: call it in a thread.

Changes to manifests and tags come one after the other; the repository sees to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown
from lreg.oci.reference import Tag
from lreg.store import files, naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName
    from lreg.store.claims import Claims
    from lreg.store.layout import RepositoryPaths
    from lreg.store.reading import Reader
    from lreg.store.tagging import Tags
    from lreg.store.tree import Tree


class Writer:
    """What clients, upstreams and people do to one repository."""

    __slots__ = ("_claims", "_name", "_paths", "_reader", "_tags", "_tree")

    def __init__(
        self, name: RepositoryName, tree: Tree, claims: Claims, tags: Tags, reader: Reader
    ) -> None:
        self._name = name
        self._tree = tree
        self._claims = claims
        self._tags = tags
        self._reader = reader
        self._paths: RepositoryPaths = tree.layout.repository(name.text)

    def put_manifest(self, manifest: Manifest, tags: Sequence[Tag]) -> None:
        """Store a manifest that a client pushed, then point `tags` at it."""
        with self._claims.hold(self._closure(manifest.digest, manifest.raw)):
            missing = [
                str(blob.digest)
                for blob in manifest.blobs
                if blob.distributable and not self._tree.held_blob(self._paths, blob.digest)
            ]
            if missing:
                raise ManifestBlobUnknown(
                    f"{self._name} does not hold {missing[0]}, which the manifest names: "
                    "push it first",
                    detail={"digests": missing},
                )
            # distribution finds repositories by one of the two folders, or stumbles without it.
            files.make_directories(self._paths.layers)
            self._tree.add_content(manifest.digest, manifest.raw)
            self._tree.link_pushed(self._paths.revision(manifest.digest), manifest.digest)
            for tag in tags:
                self._tags.push(tag.text, manifest.digest)

    def put_fetched(self, manifest: Manifest, tag: Tag | None, checked: float, adopt: bool) -> bool:
        """Store upstream's manifest; return whether the tag, if any, means it now."""
        with self._claims.hold(self._closure(manifest.digest, manifest.raw)):
            files.make_directories(self._paths.layers)
            self._tree.add_content(manifest.digest, manifest.raw)
            self._tree.link_fetched(self._paths.revision(manifest.digest), manifest.digest)
            for blob in manifest.blobs if adopt else ():
                if self._tree.has_blob(blob.digest):
                    self._tree.link_fetched(self._paths.layer(blob.digest), blob.digest)
            return tag is None or self._tags.fetched(tag.text, manifest.digest, checked)

    def delete_manifest(self, want: Tag | Digest) -> None:
        """Forget the tag, or the manifest and every tag on it."""
        if isinstance(want, Tag):
            gone = self._tree.remove_tag(self._paths, want.text)
        else:
            for tag in self._tree.tags_on(self._paths, want):
                self._tree.remove_tag(self._paths, tag)
            files.discard(self._paths.referrers(want))
            gone = self._tree.remove_link(self._paths.revision(want))
        if not gone:
            raise self._reader.missing(ManifestUnknown(f"no manifest {want} in {self._name}"))

    def delete_blob(self, digest: Digest) -> None:
        """Forget the blob in this repository."""
        if not self._tree.remove_link(self._paths.layer(digest)):
            raise self._reader.missing(BlobUnknown(f"no blob {digest} in {self._name}"))

    def mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        """Link a blob of `source`, or of any repository, for a client."""
        with self._claims.hold([digest]):
            if source is None:
                target = digest if self._tree.has_blob(digest) else None
            else:
                target = self._tree.held_blob(self._tree.layout.repository(source.text), digest)
            if target is None:
                return False
            self._tree.link_pushed(self._paths.layer(digest), target)
            return True

    def adopt(self, digest: Digest) -> bool:
        """Link a blob that the store has, if a manifest here names it."""
        with self._claims.hold([digest]):
            if self._tree.held_blob(self._paths, digest):
                return True
            if not self._tree.has_blob(digest):
                return False
            if naming.descriptor_of(self._tree, self._paths, digest) is None:
                return False
            self._tree.link_fetched(self._paths.layer(digest), digest)
            return True

    def undo(self, tag: str) -> Digest | None:
        """Take the version of a tag that was pushed away."""
        with self._claims.hold(self._upstreams(tag)):
            return self._tags.undo(tag)

    def expire(self, tag: str, now: float) -> Digest | None:
        """Undo a version that was pushed, if its time is over."""
        with self._claims.hold(self._upstreams(tag)):
            return self._tags.expire(tag, now)

    def pin(self, tag: str, pinned: bool) -> None:
        """Keep what the tag means from being evicted, or no more."""
        now = self._tags.read(tag)
        with self._claims.hold(self._closure(now.digest) if now else ()):
            self._tags.pin(tag, pinned)

    def _upstreams(self, tag: str) -> set[Digest]:
        """Return all that upstream's version of a tag consists of."""
        now = self._tags.read(tag)
        return self._closure(now.record.upstream) if now and now.record.upstream else set()

    def _closure(self, digest: Digest, raw: bytes | None = None) -> set[Digest]:
        """Return all that a manifest names, directly or not; `raw` if it is not here yet."""

        def read(wanted: Digest) -> list[bytes]:
            if raw is not None and wanted == digest:
                return [raw]
            return naming.contents(self._tree, self._paths, wanted, lists=True)

        return naming.closure([digest], read)

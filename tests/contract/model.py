"""A store made of dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lreg.store.caching import Tagged, TagRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName, Tag


@dataclass
class Model:
    """What one repository should hold.

    Attributes:
        exists: whether anything was ever put into it.
        blobs: content.
        fetched: the blobs and manifests that came from upstream.
        manifests: what was put or fetched.
        meanings: of every tag.
    """

    exists: bool = False
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    fetched: set[Digest] = field(default_factory=set)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    meanings: dict[Tag, Tagged] = field(default_factory=dict)

    def push_blob(self, digest: Digest, content: bytes) -> None:
        """A client pushed or mounted a blob."""
        self.exists = True
        self.blobs[digest] = content
        self.fetched.discard(digest)

    def fetch_blob(self, digest: Digest, content: bytes) -> None:
        """A blob came from upstream, or was found in another repository."""
        self.exists = True
        if digest not in self.blobs:
            self.blobs[digest] = content
            self.fetched.add(digest)

    def push_manifest(self, manifest: Manifest, tags: Iterable[Tag]) -> None:
        """A client pushed a manifest."""
        self.exists = True
        self.manifests[manifest.digest] = manifest
        self.fetched.discard(manifest.digest)
        for tag in tags:
            before = self.meanings[tag].record if tag in self.meanings else TagRecord()
            record = replace(before, cached=False, until=None)
            self.meanings[tag] = Tagged(manifest.digest, record)

    def fetch_manifest(self, manifest: Manifest, tag: Tag | None, checked: float) -> bool:
        """A manifest came from upstream."""
        self.exists = True
        if manifest.digest not in self.manifests:
            self.manifests[manifest.digest] = manifest
            self.fetched.add(manifest.digest)
        if tag is None:
            return True
        now = self.meanings.get(tag, Tagged(manifest.digest, TagRecord(cached=True)))
        digest = manifest.digest if now.record.cached else now.digest
        record = replace(now.record, upstream=manifest.digest, checked=checked)
        self.meanings[tag] = Tagged(digest, record)
        return digest == manifest.digest

    def undo(self, tag: Tag) -> Digest | None:
        """The pushed version was taken away; return what the tag means now."""
        now = self.meanings[tag]
        upstream = now.record.upstream
        if now.record.cached:
            return now.digest
        if upstream in self.manifests:
            self.meanings[tag] = Tagged(upstream, replace(now.record, cached=True, until=None))
            return upstream
        del self.meanings[tag]
        return None

    def delete_manifest(self, digest: Digest) -> bool:
        """A manifest was deleted, with the tags on it; return whether it was there."""
        self.fetched.discard(digest)
        self.meanings = {tag: now for tag, now in self.meanings.items() if now.digest != digest}
        return self.manifests.pop(digest, None) is not None

    def delete_blob(self, digest: Digest) -> bool:
        """A blob was deleted; return whether it was there."""
        self.fetched.discard(digest)
        return self.blobs.pop(digest, None) is not None

    def kept(self) -> set[Digest]:
        """Return what must stay: what was pushed, and what that and pinned tags name."""
        waiting = [digest for digest in self.manifests if digest not in self.fetched]
        waiting += [now.digest for now in self.meanings.values() if now.record.pinned]
        found = {digest for digest in self.blobs if digest not in self.fetched}
        while waiting:
            if (manifest := self.manifests.get(waiting.pop())) is None:
                continue
            subject = (manifest.subject,) if manifest.subject else ()
            named = {each.digest for each in (*manifest.blobs, *manifest.children, *subject)}
            waiting += named - found
            found |= named
        return found


def evictable(models: dict[RepositoryName, Model]) -> set[Digest]:
    """Return the blobs that may be evicted."""
    blobs = {digest for model in models.values() for digest in model.blobs}
    return blobs.difference(*(model.kept() for model in models.values()))

"""What belongs to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lreg.errors import ManifestUnknown
from lreg.oci.digest import Digest
from lreg.store.protocol import Held
from lreg.upstream.contents import Contents

if TYPE_CHECKING:
    from lreg.store.protocol import Repository


class FakeRepository:
    """A repository that holds one thing, whatever it is, as a manifest."""

    def __init__(self, raw: bytes, media_type: str) -> None:
        self._held = Held(Digest.of(raw), media_type, raw)

    async def manifest(self, want: Digest) -> Held:
        """Return it."""
        if want != self._held.digest:
            raise ManifestUnknown
        return self._held


async def test_what_is_no_manifest_names_nothing() -> None:
    """What another registry kept and lreg can't read is no obstacle: it names nothing."""
    raw = b'{"schemaVersion": 1}'
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    contents = Contents()
    await contents.add(cast("Repository", FakeRepository(raw, kind)), Digest.of(raw))
    assert (contents.manifests, contents.blobs) == (set(), {})
    assert contents.absent == {Digest.of(raw)}

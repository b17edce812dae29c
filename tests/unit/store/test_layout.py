"""Paths are distribution's, letter for letter."""

from __future__ import annotations

from lreg.oci.digest import Algorithm, Digest
from lreg.store.layout import Layout, marker

LAYOUT = Layout("/store")
PATHS = LAYOUT.repository("library/alpine")
HOME = "/store/docker/registry/v2/repositories/library/alpine"
SHA256 = Digest(Algorithm.SHA256, "ab" * 32)
SHA512 = Digest(Algorithm.SHA512, "cd" * 64)


def test_blobs() -> None:
    """Content lies where distribution looks for it, sha512 as well."""
    blobs = "/store/docker/registry/v2/blobs"
    assert LAYOUT.blob(SHA256) == f"{blobs}/sha256/ab/{'ab' * 32}/data"
    assert LAYOUT.blob(SHA512) == f"{blobs}/sha512/cd/{'cd' * 64}/data"


def test_links() -> None:
    """Links lie where distribution looks for them."""
    assert PATHS.layer(SHA256) == f"{HOME}/_layers/sha256/{'ab' * 32}/link"
    assert PATHS.revision(SHA512) == f"{HOME}/_manifests/revisions/sha512/{'cd' * 64}/link"
    assert PATHS.current("3.8") == f"{HOME}/_manifests/tags/3.8/current/link"
    assert PATHS.indexed("3.8", SHA256) == (
        f"{HOME}/_manifests/tags/3.8/index/sha256/{'ab' * 32}/link"
    )


def test_side() -> None:
    """What lreg adds lies in one folder, beside distribution's."""
    for path in (LAYOUT.uploads, LAYOUT.fills, LAYOUT.scratch, LAYOUT.lock):
        assert path.startswith("/store/lreg/")


def test_beside_what_they_speak_of() -> None:
    """What lreg knows of a tag or link lies beside it, and goes when its folder does."""
    assert PATHS.record("3.8") == f"{HOME}/_manifests/tags/3.8/lreg.json"
    assert marker(PATHS.layer(SHA256)) == f"{HOME}/_layers/sha256/{'ab' * 32}/fetched"

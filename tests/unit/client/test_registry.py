"""A handle on any registry: listings, manifests, deletes, referrers, and what a refusal says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg import errors
from lreg.client.referrers import fallback_tag
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import Tag
from tests.fakes.faults import Fault, Reply
from tests.unit.client.conftest import NAME

if TYPE_CHECKING:
    from lreg.client.registry import Registry
    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream

ONE = Tag("1")


async def test_catalog(upstream: Upstream, far: Registry) -> None:
    """All pages of a catalog are listed, those with a prefix where one is given."""
    upstream.page = 2
    for name in ("a", "b/c", "b/d", "e", "f"):
        upstream.put_blob(name, b"x")
    assert [str(name) async for name in far.catalog()] == ["a", "b/c", "b/d", "e", "f"]
    assert [str(name) async for name in far.catalog("b/")] == ["b/c", "b/d"]
    assert upstream.requests("GET", "/v2/_catalog")[0].target == "/v2/_catalog?n=1000"


async def test_no_catalog(upstream: Upstream, far: Registry) -> None:
    """A registry that does not list its repositories is said not to."""
    upstream.script.add("GET", "/v2/_catalog", Fault(reply=Reply(404)))
    with pytest.raises(errors.EndpointUnknown, match="listing repositories"):
        _ = [name async for name in far.catalog()]


async def test_tags(upstream: Upstream, alpine: RemoteRepository) -> None:
    """All pages of a tag list are listed; a repository without tags has none."""
    upstream.page = 3
    assert [tag async for tag in alpine.tags()] == []
    for number in range(8):
        upstream.put_image(NAME, f"v{number}")
    assert [str(tag) async for tag in alpine.tags()] == [f"v{number}" for number in range(8)]
    upstream.script.add("GET", "/tags/", Fault(reply=Reply(200, b'{"name":"x","tags":null}')))
    assert [tag async for tag in alpine.tags()] == []


async def test_link_to_itself(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A list whose next page is the same page ends."""
    link = {"Link": f'</v2/{NAME}/tags/list?n=1000>; rel="next"'}
    upstream.script.add("GET", "/tags/", Fault(reply=Reply(200, b'{"tags":["a"]}', link)), times=9)
    assert [str(tag) async for tag in alpine.tags()] == ["a"]


async def test_not_a_listing(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A web page in place of a list is said to be no list."""
    upstream.script.add("GET", "/tags/", Fault(reply=Reply(200, b"<html>")))
    with pytest.raises(errors.Unavailable, match="JSON"):
        _ = [tag async for tag in alpine.tags()]


async def test_manifest(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A manifest comes byte for byte, by tag and by digest, whatever its type."""
    stored = upstream.put_image(NAME, "1", b"layer")
    assert (await alpine.manifest(ONE)).raw == stored.raw
    assert await alpine.manifest(stored.digest) == stored
    accepted = upstream.requests("GET", "/manifests/")[0].headers["accept"]
    assert set(accepted.split(", ")) == set(mediatypes.ALL_MANIFESTS)


async def test_no_manifest(alpine: RemoteRepository) -> None:
    """What is not there is ManifestUnknown, also where only a HEAD asks."""
    with pytest.raises(errors.ManifestUnknown, match=r"library/alpine:1: .*404 MANIFEST_UNKNOWN"):
        await alpine.manifest(ONE)
    with pytest.raises(errors.ManifestUnknown):
        await alpine.resolve(ONE)


@pytest.mark.parametrize("by_digest", [True, False])
async def test_wrong_manifest(
    upstream: Upstream,
    alpine: RemoteRepository,
    by_digest: bool,
) -> None:
    """Bytes that are not those of the digest are refused, asked for or only announced."""
    stored = upstream.put_image(NAME, "1", b"layer")
    other = upstream.put_image("other", "1", b"another")
    lie = {"Docker-Content-Digest": str(stored.digest), "Content-Type": stored.media_type}
    upstream.script.add("GET", "/manifests/", Fault(reply=Reply(200, other.raw, lie)))
    with pytest.raises(errors.DigestInvalid, match="other bytes"):
        await alpine.manifest(stored.digest if by_digest else ONE)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"schemaVersion":1}', bytes(5 << 20)])
async def test_not_a_manifest(upstream: Upstream, alpine: RemoteRepository, body: bytes) -> None:
    """What is no manifest, or larger than one may be, is an error of ours, not a crash."""
    upstream.script.add("GET", "/manifests/", Fault(reply=Reply(200, body)))
    with pytest.raises(errors.LregError):
        await alpine.manifest(ONE)


async def test_resolve(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A tag is resolved by a HEAD alone, which costs no pull of anybody's quota."""
    stored = upstream.put_image(NAME, "1", b"layer")
    assert await alpine.resolve(ONE) == stored.descriptor
    assert not upstream.requests("GET", "/manifests/")


@pytest.mark.parametrize("fault", [None, Fault(reply=Reply(405)), Fault(reply=Reply(200))])
async def test_resolve_by_get(
    upstream: Upstream, alpine: RemoteRepository, fault: Fault | None
) -> None:
    """A registry whose HEAD does not tell the digest, or does not exist, is asked by GET."""
    stored = upstream.put_image(NAME, "1", b"layer")
    upstream.digest_header = fault is not None
    if fault:
        upstream.script.add("HEAD", "/manifests/", fault)
    assert await alpine.resolve(ONE) == stored.descriptor


async def test_put_manifest(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A manifest is stored byte for byte, by tag and by digest."""
    image = upstream.put_image("other", "1", b"layer")
    with pytest.raises(errors.ManifestBlobUnknown):
        await alpine.put_manifest(image, ONE)
    upstream.held[NAME].blobs |= upstream.held["other"].blobs
    await alpine.put_manifest(image, ONE)
    assert (await alpine.manifest(ONE)).raw == image.raw
    await alpine.put_manifest(image, image.digest)
    lie = Reply(201, b"", {"Docker-Content-Digest": str(Digest.of(b"other"))})
    upstream.script.add("PUT", "/manifests/", Fault(reply=lie))
    with pytest.raises(errors.DigestInvalid, match="stored"):
        await alpine.put_manifest(image, ONE)


async def test_manifest_by_sha512(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A manifest is verified by the algorithm that its digest names."""
    raw = upstream.put_image(NAME, "1", b"layer").raw
    manifest = Manifest.parse(raw, algorithm=Algorithm.SHA512)
    upstream.held[NAME].manifests[str(manifest.digest)] = manifest
    assert (await alpine.manifest(manifest.digest)).digest == manifest.digest


async def test_delete(upstream: Upstream, alpine: RemoteRepository) -> None:
    """Tags, manifests and blobs are deleted under their own paths; a refusal is told."""
    digest = Digest.of(b"x")
    await alpine.delete_manifest(ONE)
    await alpine.delete_manifest(digest)
    await alpine.delete_blob(digest)
    paths = [seen.path.removeprefix(f"/v2/{NAME}/") for seen in upstream.requests("DELETE")]
    assert paths == ["manifests/1", f"manifests/{digest}", f"blobs/{digest}"]
    body = b'{"errors":[{"code":"UNSUPPORTED","message":"delete is off"}]}'
    upstream.script.add("DELETE", "/manifests/", Fault(reply=Reply(405, body)))
    with pytest.raises(errors.Unsupported, match="delete is off"):
        await alpine.delete_manifest(ONE)


async def test_mount(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A blob is mounted where the registry has it; an upload begun instead is cancelled."""
    blob = upstream.put_blob("other", b"shared")
    assert await alpine.mount(blob.digest, upstream.repository("other"))
    assert await alpine.has_blob(blob.digest)
    assert not await alpine.mount(Digest.of(b"absent"), upstream.repository("other"))
    assert upstream.requests("DELETE", "/blobs/uploads/1?state=a%3Db")


def referrer(upstream: Upstream, subject: Manifest, kind: str) -> Manifest:
    return upstream.put_image(
        NAME, "", kind.encode(), subject=subject.descriptor.to_json(), artifactType=kind
    )


async def test_referrers(upstream: Upstream, alpine: RemoteRepository) -> None:
    """What refers to an image is listed, of one type where asked for."""
    image = upstream.put_image(NAME, "1", b"layer")
    assert await alpine.referrers(image.digest) == ()
    first, second = (referrer(upstream, image, kind) for kind in ("a/signature", "a/sbom"))
    assert {one.digest for one in await alpine.referrers(image.digest)} == {
        first.digest,
        second.digest,
    }
    # This registry ignores the filter, as it may.
    (only,) = await alpine.referrers(image.digest, "a/sbom")
    assert (only.digest, only.artifact_type) == (second.digest, "a/sbom")


async def test_referrers_by_tag(upstream: Upstream, alpine: RemoteRepository) -> None:
    """Where the registry keeps no referrers, the fallback tag is kept for it and read."""
    upstream.referrers = False
    image = upstream.put_image(NAME, "1", b"layer")
    assert await alpine.referrers(image.digest) == ()
    pushed = [referrer(upstream, image, kind) for kind in ("a/signature", "a/sbom")]
    for manifest in [*pushed, *pushed]:
        await alpine.put_manifest(manifest, manifest.digest)
    assert [one.digest for one in await alpine.referrers(image.digest)] == [
        manifest.digest for manifest in pushed
    ]
    assert fallback_tag(image.digest).text in upstream.held[NAME].tags
    (only,) = await alpine.referrers(image.digest, "a/sbom")
    assert only.digest == pushed[1].digest


def test_fallback_tags_fit() -> None:
    """The fallback tag of a long digest has its first 64 digits, as the spec says."""
    digest = Digest.of(b"x", Algorithm.SHA512)
    assert fallback_tag(digest).text == f"sha512-{digest.hex[:64]}"


async def test_descriptor_of_an_index(upstream: Upstream, alpine: RemoteRepository) -> None:
    """An index resolves to itself, not to one of its platforms."""
    child = upstream.put_image(NAME, "", b"layer")
    fields = {"mediaType": mediatypes.OCI_INDEX, "manifests": [child.descriptor.to_json()]}
    index = upstream.put_manifest(NAME, fields, "1")
    found = await alpine.resolve(ONE)
    assert found == Descriptor(mediatypes.OCI_INDEX, index.digest, len(index.raw))

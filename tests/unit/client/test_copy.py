"""Copying: byte for byte, nothing twice, nothing half."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

import pytest

from lreg.client.copy import Options, copy_image, push_image
from lreg.client.credentials import Only
from lreg.client.registry import Registry
from lreg.errors import DigestInvalid, LregError, ManifestInvalid, ManifestUnknown
from lreg.oci import mediatypes
from lreg.oci.platform import Platform
from lreg.oci.reference import Tag
from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.upstream import Upstream
from tests.support.processes import in_time
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from lreg.client.progress import Outcome
    from lreg.client.repository import RemoteRepository
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest

ONE = Tag("1")
LAYERS = [random.Random(n).randbytes(700_000) for n in range(3)]


@pytest.fixture
async def target() -> AsyncIterator[Upstream]:
    """A second, empty registry."""
    async with Upstream("127.0.0.2") as made:
        yield made


@pytest.fixture
async def mine(target: Upstream) -> AsyncIterator[RemoteRepository]:
    """The repository `mine` in it."""
    async with Registry(target.host, credentials=Only(None), patience=HASTE) as registry:
        yield registry.repository(target.repository("mine"))


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.moved: dict[Digest, int] = {}
        self.outcomes: dict[Digest, Outcome] = {}

    def started(self, descriptor: Descriptor) -> None:
        """Count from nothing."""
        self.moved[descriptor.digest] = 0

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """Count on."""
        self.moved[descriptor.digest] += count

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Keep what became of it."""
        self.outcomes[descriptor.digest] = outcome


def index(upstream: Upstream) -> Manifest:
    """Hold an index of two platforms that share a layer, and return it."""
    children = []
    for number, architecture in enumerate(("amd64", "arm64")):
        child = upstream.put_image(NAME, "", LAYERS[0], LAYERS[1 + number])
        platform = {"os": "linux", "architecture": architecture}
        children.append(child.descriptor.to_json() | {"platform": platform})
    fields = {"mediaType": mediatypes.OCI_INDEX, "manifests": children}
    return upstream.put_manifest(NAME, fields, "1")


async def test_everything(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """All platforms arrive, every byte as it was, each shared layer once."""
    image = index(upstream)
    heard = Heard()
    copied = await copy_image(alpine, ONE, mine, Tag("new"), progress=heard)
    assert target.held["mine"].blobs == upstream.held[NAME].blobs
    assert target.held["mine"].manifests == upstream.held[NAME].manifests
    assert target.held["mine"].tags == {"new": str(image.digest)}
    assert copied.root == image.descriptor
    sizes = [*map(len, upstream.held[NAME].blobs.values())]
    sizes += [len(manifest.raw) for manifest in upstream.held[NAME].manifests.values()]
    assert (copied.copied.count, copied.copied.size) == (len(sizes), sum(sizes))
    assert copied.skipped.count == copied.mounted.count == 0
    assert sum(heard.moved.values()) == sum(sizes)
    assert set(heard.outcomes.values()) == {"copied"}
    assert len(upstream.requests("GET", "/blobs/")) == 4


async def test_again(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """A copy that is there already moves nothing."""
    index(upstream)
    await copy_image(alpine, ONE, mine, ONE)
    upstream.seen.clear()
    target.seen.clear()
    heard = Heard()
    copied = await copy_image(alpine, ONE, mine, ONE, progress=heard)
    assert (copied.copied.count, copied.skipped.count) == (0, 4 + 3)
    assert heard.moved == {}
    assert not upstream.requests("GET", "/blobs/")
    assert not target.requests("PUT") + target.requests("POST")


async def test_moved_tag(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """A tag that has moved moves here too, and only the new layer is sent."""
    upstream.put_image(NAME, "1", LAYERS[0])
    await copy_image(alpine, ONE, mine, ONE)
    newer = upstream.put_image(NAME, "1", LAYERS[0], LAYERS[1])
    copied = await copy_image(alpine, ONE, mine, ONE)
    assert target.held["mine"].tags["1"] == str(newer.digest)
    assert copied.copied.size == len(LAYERS[1]) + len(newer.raw)


async def test_one_platform(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """One platform of an index is copied as that platform's own image, its digest kept."""
    image = index(upstream)
    options = Options(platform=Platform.parse("linux/arm64/v8"))
    copied = await copy_image(alpine, ONE, mine, ONE, options=options)
    arm = image.children[1]
    assert copied.root.digest == arm.digest
    assert target.held["mine"].tags == {"1": str(arm.digest)}
    assert list(target.held["mine"].manifests) == [str(arm.digest)]
    with pytest.raises(ManifestUnknown, match=r"no image for linux/s390x, only .*linux/arm64"):
        await copy_image(
            alpine, ONE, mine, ONE, options=Options(platform=Platform.parse("linux/s390x"))
        )


async def test_by_digest(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """An image is copied by digest alone, without any tag."""
    image = upstream.put_image(NAME, "", LAYERS[0])
    await copy_image(alpine, image.digest, mine, None)
    assert list(target.held["mine"].manifests) == [str(image.digest)]
    assert target.held["mine"].tags == {}


async def test_too_deep(upstream: Upstream, alpine: RemoteRepository) -> None:
    """Indexes that lie in one another without end are refused, not followed to a traceback."""
    image = upstream.put_image(NAME, "", LAYERS[0])
    for _ in range(50):
        fields = {"mediaType": mediatypes.OCI_INDEX, "manifests": [image.descriptor.to_json()]}
        image = upstream.put_manifest(NAME, fields, "1")
    with pytest.raises(ManifestInvalid, match="too deep"):
        await copy_image(alpine, ONE, alpine, Tag("copy"))


async def test_same_registry(upstream: Upstream, far: Registry, alpine: RemoteRepository) -> None:
    """Within a registry the layers are mounted: none of their bytes moves."""
    image = upstream.put_image(NAME, "1", *LAYERS)
    copy = far.repository(upstream.repository("copy"))
    copied = await copy_image(alpine, ONE, copy, ONE)
    assert (copied.mounted.count, copied.copied.size) == (4, len(image.raw))
    assert not upstream.requests("GET", "/blobs/")
    assert upstream.held["copy"].tags["1"] == str(image.digest)


async def test_retag(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A copy to another tag of the same repository only sets the tag."""
    image = upstream.put_image(NAME, "1", *LAYERS)
    copied = await copy_image(alpine, ONE, alpine, Tag("2"))
    assert (copied.skipped.count, copied.copied.count) == (4, 1)
    assert upstream.held[NAME].tags["2"] == str(image.digest)


@pytest.mark.parametrize("api", [True, False])
async def test_referrers(
    upstream: Upstream,
    alpine: RemoteRepository,
    target: Upstream,
    mine: RemoteRepository,
    api: bool,
) -> None:
    """Signatures, and what refers to them, are copied where asked for, to any registry."""
    image = upstream.put_image(NAME, "1", LAYERS[0])
    signature = upstream.put_image(NAME, "", b"sig", subject=image.descriptor.to_json())
    stamp = upstream.put_image(NAME, "", b"time", subject=signature.descriptor.to_json())
    target.referrers = api
    await copy_image(alpine, ONE, mine, ONE)
    assert await mine.referrers(image.digest) == ()
    await copy_image(alpine, ONE, mine, ONE, options=Options(referrers=True))
    assert [one.digest for one in await mine.referrers(image.digest)] == [signature.digest]
    assert [one.digest for one in await mine.referrers(signature.digest)] == [stamp.digest]


async def test_foreign_layers(
    upstream: Upstream, alpine: RemoteRepository, mine: RemoteRepository
) -> None:
    """A layer that lies elsewhere, by its URL, is not asked of the source."""
    config = upstream.put_blob(NAME, b"{}", mediatypes.OCI_CONFIG)
    layer = upstream.put_blob(NAME, b"foreign").to_json()
    upstream.held[NAME].blobs.pop(layer["digest"])
    fields = {"mediaType": mediatypes.OCI_MANIFEST, "config": config.to_json()}
    foreign = layer | {"urls": ["https://elsewhere.example/layer"]}
    upstream.put_manifest(NAME, fields | {"layers": [foreign]}, "1")
    # The fake wants every blob, as few registries do: it says what was not sent.
    with pytest.raises(LregError, match="MANIFEST_BLOB_UNKNOWN"):
        await copy_image(alpine, ONE, mine, ONE)
    assert not upstream.requests("GET", layer["digest"])


async def test_parallel(upstream: Upstream, mine: RemoteRepository) -> None:
    """Layers move at the same time, as many as allowed."""
    upstream.put_image(NAME, "1", *LAYERS)
    go = threading.Event()
    upstream.script.add("GET", "/blobs/", Fault(until=go), ALWAYS)
    async with Registry(upstream.host, credentials=Only(None)) as registry:
        patient = registry.repository(upstream.repository(NAME))
        copying = asyncio.create_task(
            copy_image(patient, ONE, mine, ONE, options=Options(parallel=2))
        )
        await in_time(lambda: len(upstream.requests("GET", "/blobs/")) == 2)
        await asyncio.sleep(0.2)
        assert len(upstream.requests("GET", "/blobs/")) == 2
        go.set()
        await copying


async def test_everything_goes_wrong(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """Drops, stalls and refusals on both sides are got over; what arrives is right."""
    image = index(upstream)
    upstream.script.add("GET", "/blobs/", Fault(cut_after=300_000), times=3)
    upstream.script.add("GET", "/blobs/", Fault(stall_after=200_000), times=2)
    target.script.add("POST", "/uploads/", Fault(reply=Reply(503)), times=2)
    target.script.add("PUT", "/uploads/", Fault(drop_upload_after=100), times=1)
    target.script.add("PUT", "/manifests/", Fault(hang_up=True), times=1)
    heard = Heard()
    await copy_image(alpine, ONE, mine, ONE, progress=heard)
    assert target.held["mine"].tags == {"1": str(image.digest)}
    assert target.held["mine"].blobs == upstream.held[NAME].blobs
    for blob in image.children:
        assert heard.moved[blob.digest] == blob.size


async def test_half_a_copy(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """A copy that fails says why in one error and leaves no tag; done again it goes on."""
    image = index(upstream)
    digest = str(image.digest)
    wrong = next(iter(upstream.held[NAME].blobs))
    upstream.script.add("GET", wrong, Fault(corrupt=True), times=9)
    with pytest.raises(DigestInvalid, match="another digest"):
        await copy_image(alpine, ONE, mine, ONE)
    assert target.held["mine"].tags == {}
    assert wrong not in target.held["mine"].blobs
    upstream.script = type(upstream.script)()
    await copy_image(alpine, ONE, mine, ONE)
    assert target.held["mine"].tags == {"1": digest}


class Kept:
    """A blob's bytes, in two pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        yield self._data[:1000]
        yield self._data[1000:]


async def test_push(upstream: Upstream, target: Upstream, mine: RemoteRepository) -> None:
    """An image from elsewhere is pushed as one is copied: resumed, nothing twice, the tag last."""
    root = index(upstream)
    held = upstream.held[NAME]
    children = [each for each in held.manifests.values() if each.digest != root.digest]
    named = {blob.digest: blob for child in children for blob in child.blobs}
    blobs = [(blob, Kept(held.blobs[str(digest)])) for digest, blob in named.items()]
    target.script.add("PUT", "/uploads/", Fault(hang_up=True), times=1)
    copied = await push_image(blobs, [*children, root], mine, ONE)
    assert target.held["mine"].blobs == held.blobs
    assert target.held["mine"].manifests == held.manifests
    assert target.held["mine"].tags == {"1": str(root.digest)}
    assert (copied.root, copied.copied.count) == (root.descriptor, 4 + 3)
    again = await push_image(blobs, [*children, root], mine, ONE)
    assert (again.copied.count, again.skipped.count) == (0, 4 + 3)


async def test_push_over_an_upstream_that_is_gone(
    alpine: RemoteRepository, upstream: Upstream, target: Upstream, mine: RemoteRepository
) -> None:
    """What a cache can't say of a tag, its upstream out of reach, keeps nobody from pushing it."""
    upstream.put_image(NAME, "1", b"own")
    target.script.add("HEAD", "/manifests/", Fault(reply=Reply(502)), ALWAYS)
    copied = await copy_image(alpine, ONE, mine, ONE)
    assert target.held["mine"].tags == {"1": str(copied.root.digest)}


async def test_memory(
    upstream: Upstream, alpine: RemoteRepository, target: Upstream, mine: RemoteRepository
) -> None:
    """A target that takes its time is not read ahead of: what is in flight stays small."""
    large = random.Random("large").randbytes(48 << 20)
    upstream.put_image(NAME, "1", large)
    target.script.add("PUT", "/uploads/", Fault(deaf=True, delay=60), times=9)
    with pytest.raises(LregError):
        await copy_image(alpine, ONE, mine, ONE)
    # Three tries, each of them as far as the sockets' buffers go.
    assert upstream.sent < 3 * (16 << 20)

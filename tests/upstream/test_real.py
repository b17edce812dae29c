"""Real registries as upstreams."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.clients import Client
from tests.support.images import Index, artifact, hello, image, multi_arch, noise
from tests.support.others import STARTS
from tests.support.registries import start_docker_registry, start_lreg
from tests.tools import build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.images import Image
    from tests.support.mirrors import Start
    from tests.support.registries import Running
    from tests.support.wire import Wire

MADE: dict[str, Image | Index] = {
    "oci": hello("real", 300_000),
    "index": multi_arch("real index"),
}
DOCKERS: dict[str, Image | Index] = {
    "docker": hello("real docker", 300_000, docker=True),
    "list": multi_arch("real list", docker=True),
}
NAME = "registry.example/tests/app"
ASK_ALWAYS = '[[freshness]]\nmatch = "*"\nttl = "always"\n'
REGISTRIES = [pytest.param(each, marks=pytest.mark.client(each)) for each in STARTS]


@pytest.fixture(params=REGISTRIES)
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the registries."""
    return str(request.param)


@pytest.fixture
def theirs(kind: str, tmp_path: Path) -> Iterator[Running]:
    """One of them, empty."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    running = STARTS[kind](folder, folder / "store")
    yield running
    running.process.kill()


def images_of(made: Image | Index) -> Sequence[Image]:
    """Return the images of an index, or the one image."""
    return made.images if isinstance(made, Index) else [made]


def fetched(wire: Wire) -> int:
    """Return how many bytes of blobs came from upstream so far."""
    text = wire.ask("GET", "/metrics").expect(200).body.decode()
    found = re.search(r"^lreg_cache_fetched_bytes_total\{.*\} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def test_cold_warm_and_offline(start: Start, theirs: Running, kind: str) -> None:
    """Every kind of image comes as it is there, once, and is here without it."""
    everything = MADE if kind == "zot" else MADE | DOCKERS
    with theirs.wire() as wire:
        digests = {tag: wire.push("tests/app", made, tag) for tag, made in everything.items()}
    mirror = start({"registry.example": theirs.url})
    with mirror.wire() as wire:
        for _ in ("cold", "warm"):
            for tag, digest in digests.items():
                assert wire.pull(NAME, tag) == digest
        images = [each for made in everything.values() for each in images_of(made)]
        blobs = {blob.digest: len(blob.data) for each in images for blob in each.blobs}
        assert fetched(wire) == sum(blobs.values())
        wire.manifest(NAME, "absent").expect(404)
        wire.manifest("registry.example/nothing/here", "v1").expect(404)
    mirror.stop()
    with start({"registry.example": theirs.url}, "--offline").wire() as wire:
        for tag, digest in digests.items():
            assert wire.pull(NAME, tag) == digest


def test_the_rest_of_a_blob(start: Start, theirs: Running) -> None:
    """What an earlier run left of a layer is not fetched again: Range means the same to all."""
    made = image({"layer": noise(3_000_000, "rest")})
    layer = made.blobs[-1]
    with theirs.wire() as wire:
        wire.push("tests/app", made, "v1")
    mirror = start({"registry.example": theirs.url}, "--no-prefetch")
    mirror.stop()
    partial = mirror.store / "lreg/fills" / layer.digest.replace(":", "-")
    partial.mkdir()
    (partial / "data").write_bytes(layer.data[:2_000_000])
    with start({"registry.example": theirs.url}, "--no-prefetch").wire() as wire:
        assert wire.pull(NAME, "v1") == made.manifest.digest
        everything = sum(len(blob.data) for blob in made.blobs)
        assert fetched(wire) == everything - 2_000_000


def test_a_tag_that_moves_and_goes(start: Start, theirs: Running) -> None:
    """HEAD tells of a tag that moved, and of one that is gone."""
    mirror = start({"registry.example": theirs.url}, settings=ASK_ALWAYS)
    with theirs.wire() as far, mirror.wire() as wire:
        for made in (hello("old", 300_000), hello("newer"), hello("newest")):
            far.push("tests/app", made, "v1")
            assert wire.pull(NAME, "v1") == made.manifest.digest
            assert "warning" not in wire.manifest(NAME, "v1").headers
        last = made.manifest.digest
        # Some delete tags, some only what they mean.
        for reference in ("v1", last):
            far.ask("DELETE", f"/v2/tests/app/manifests/{reference}")
        far.manifest("tests/app", "v1").expect(404)
        wire.manifest(NAME, "v1").expect(404)
        assert wire.pull(NAME, last) == last


@pytest.mark.client("crane")
def test_referrers(start: Start, theirs: Running, tmp_path: Path) -> None:
    """A signature is listed as its registry lists it, or as crane does under a tag in its place.

    What is listed is pulled by its digest; offline both are here.
    """
    made = hello("signed")
    signature = artifact(made.manifest, "application/vnd.example.signature", b"signed")
    digest = signature.manifest.digest
    mirror = start({"registry.example": theirs.url}, settings=ASK_ALWAYS)
    crane = Client(tmp_path / "crane", str(build("crane")))
    with theirs.wire() as far, mirror.wire() as wire:
        subject = far.push("tests/app", made, "v1")
        wire.pull(NAME, "v1")
        path = f"/v2/{NAME}/referrers/{subject}"
        assert wire.ask("GET", path).expect(200).json()["manifests"] == []
        wire.push("own/signatures", signature)
        source = f"{mirror.host}/own/signatures@{digest}"
        crane("copy", source, f"{theirs.host}/tests/app:signature")
        (listed,) = wire.ask("GET", path).expect(200).json()["manifests"]
        assert listed["digest"] == digest
        assert wire.pull(NAME, digest) == digest
    mirror.stop()
    with start({"registry.example": theirs.url}, "--offline").wire() as wire:
        assert wire.ask("GET", path).expect(200).json()["manifests"] == [listed]
        assert wire.pull(NAME, digest) == digest


def test_referrers_that_were_pulled(start: Start, theirs: Running) -> None:
    """A signature that was pulled is listed here, also where its registry lists none itself."""
    made = hello("signed")
    signature = artifact(made.manifest, "application/vnd.example.signature", b"signed")
    with theirs.wire() as far:
        subject = far.push("tests/app", made, "v1")
        digest = far.push("tests/app", signature, "signature")
    mirror = start({"registry.example": theirs.url})
    with mirror.wire() as wire:
        for tag in ("v1", "signature"):
            wire.pull(NAME, tag)
        listed = wire.ask("GET", f"/v2/{NAME}/referrers/{subject}").expect(200).json()
    assert [each["digest"] for each in listed["manifests"]] == [digest]


@pytest.mark.client("docker-registry")
def test_a_volume_goes_back(start: Start, docker_registry: Running, tmp_path: Path) -> None:
    """What was cached is served by distribution too, from the same volume."""
    made = MADE["index"]
    with docker_registry.wire() as theirs:
        digest = theirs.push("tests/back", made, "v1")
    mirror = start({"registry.example": docker_registry.url})
    with mirror.wire() as wire:
        wire.pull("registry.example/tests/back", "v1")
    mirror.stop()
    theirs_again = start_docker_registry(tmp_path, mirror.store)
    try:
        with theirs_again.wire() as wire:
            assert wire.pull("registry.example/tests/back", "v1") == digest
    finally:
        theirs_again.process.kill()


def test_lreg(start: Start, tmp_path: Path, repository: str) -> None:
    """A lreg can be the upstream of another, by a path of its own there; its signatures too."""
    made = MADE["index"]
    far = tmp_path / "far"
    far.mkdir()
    upstream = start_lreg(far)
    try:
        with upstream.wire() as theirs:
            digest = theirs.push(f"proxy/docker/{repository}", made, "v1")
            signature = artifact(made.manifest, "application/vnd.example.signature", b"signed")
            signed = theirs.push(f"proxy/docker/{repository}", signature)
        table = {"address": upstream.url, "path": "proxy/docker"}
        with start({"docker.io": table}).wire() as wire:
            assert wire.pull(f"docker.io/{repository}", "v1") == digest
            listed = wire.ask("GET", f"/v2/docker.io/{repository}/referrers/{digest}").expect(200)
            assert [one["digest"] for one in listed.json()["manifests"]] == [signed]
    finally:
        upstream.stop()

"""A tree that lreg wrote, served and cleaned by docker-registry."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.support.clients import trust
from tests.support.images import (
    Image,
    Index,
    artifact,
    hello,
    index,
    multi_arch,
    noise,
    write_docker_archive,
    write_layout,
)
from tests.support.registries import (
    Running,
    collect_garbage,
    start_docker_registry,
    start_lreg,
)
from tests.support.survey import places, survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.clients import Client
    from tests.support.daemons import Docker
    from tests.support.wire import Wire

pytestmark = [
    pytest.mark.client("docker-registry"),
    pytest.mark.client("skopeo"),
    pytest.mark.client("docker"),
]

SHA512 = b"a blob by its sha512"
LOOSE = b"a blob that no manifest names"


@pytest.fixture
def ours(tmp_path: Path, skopeo: Client, dockerd: Docker) -> Iterator[Running]:
    """A lreg into which everything has been pushed that can be, and some deleted."""
    running = start_lreg(tmp_path)
    try:
        with_clients(running, skopeo, dockerd, tmp_path)
        with running.wire() as wire:
            by_hand(wire)
        yield running
    finally:
        running.stop()


def with_clients(ours: Running, skopeo: Client, docker: Docker, folder: Path) -> None:
    """Push with real clients."""
    made: dict[str, Image | Index] = {
        "image": hello("image", 3 << 20),
        "index": multi_arch("index"),
    }
    layout = write_layout(folder / "layout", made)
    to = trust(ours, "dest-")
    for name in made:
        for target in (f"{name}:v1", f"deep/er/{name}:v1", f"deep/er/{name}:v2"):
            where = f"docker://{ours.host}/{target}"
            skopeo("copy", "--all", *to, f"oci:{layout}:{name}", where)
    schema2 = ("copy", "--format=v2s2", *to, f"oci:{layout}:image")
    skopeo(*schema2, f"docker://{ours.host}/image:schema2")
    name = f"{ours.host}/library/docker:v1"
    archive = write_docker_archive(folder / "image.tar", hello("docker"), name)
    docker.cli("load", "--input", str(archive))
    docker.cli("push", name)


def by_hand(wire: Wire) -> None:
    """Push and delete in every way that no client does."""
    wire.push("list", multi_arch("list", docker=True), "v1")
    chunked = hello("chunked", 1 << 20)
    for blob in chunked.blobs:
        wire.push_chunked("chunked", blob.data, 100_000)
    wire.push_manifest("chunked", chunked.manifest, "v1")

    long = f"sha512:{hashlib.sha512(SHA512).hexdigest()}"
    wire.push("sha512", hello("sha512"), "v1")
    wire.push_blob("sha512", SHA512, long)
    wire.push_chunked("sha512", SHA512 * 2, 10, f"sha512:{hashlib.sha512(SHA512 * 2).hexdigest()}")
    wire.push_blob("loose", LOOSE)
    wire.push("loose", hello("not loose"), "v1")

    subject = hello("subject")
    wire.push("signed", artifact(subject.manifest, "test/early", b"before its subject"))
    wire.push("signed", subject, "v1")
    wire.push("signed", artifact(subject.manifest, "test/late", b"after its subject"))

    mounted = hello("mounted")
    wire.push("mounted/from", mounted, "v1")
    for blob in mounted.blobs:
        mount = f"mount={blob.digest}&from=mounted/from"
        wire.ask("POST", f"/v2/mounted/to/blobs/uploads/?{mount}").expect(201)
    wire.push_manifest("mounted/to", mounted.manifest, "v1")

    for number in range(3):
        wire.push("pushed-again", hello(f"again {number}"), "v1")
    wire.push("untagged", hello("untagged"))
    wire.push("untagged", index(hello("child")))
    for tag in ("tag", "manifest", "kept"):
        wire.push("some-deleted", hello(tag), tag)
        wire.push("some-deleted", hello(tag), f"{tag}-too")
    wire.ask("DELETE", "/v2/some-deleted/manifests/tag").expect(202)
    digest = hello("manifest").manifest.digest
    wire.ask("DELETE", f"/v2/some-deleted/manifests/{digest}").expect(202)
    wire.push("all-deleted", hello("manifest"), "v1")
    wire.ask("DELETE", f"/v2/all-deleted/manifests/{digest}").expect(202)
    unwanted = wire.push_blob("some-deleted", noise(100, "deleted"))
    wire.ask("DELETE", f"/v2/some-deleted/blobs/{unwanted}").expect(202)
    wire.push_blob("blobs-only", b"one")
    wire.start_upload("never-finished")
    location = wire.start_upload("cancelled")
    wire.ask("DELETE", location).expect(204)


def test_our_tree_is_served_in_full(tmp_path: Path, ours: Running) -> None:
    """What lreg keeps can go back to distribution as it is: nothing is locked in.

    Every repository, tag, manifest and blob is the same to a client, present and deleted ones.
    """
    named = places(ours.store)
    theirs = start_docker_registry(tmp_path, ours.store)
    try:
        with ours.wire() as mine, theirs.wire() as other:
            told = survey(mine, named)
            assert survey(other, named) == told
    finally:
        theirs.process.kill()
    assert len(told) > 150
    assert "some-deleted" in named


def test_their_garbage_collector(tmp_path: Path, ours: Running) -> None:
    """`docker-registry garbage-collect` works on lreg's tree and takes only what nothing names.

    lreg runs on meanwhile: what was taken is gone there at once, the rest is served as before.
    """
    named = places(ours.store)
    with ours.wire() as wire:
        before = {name: {tag: wire.pull(name, tag) for tag in wire.tags(name)} for name in named}
        revisions = {
            (name, digest)
            for name, here in named.items()
            for digest in here.revisions
            if wire.manifest(name, digest).status == 200
        }
        loose = wire.push_blob("loose", LOOSE)
        assert wire.blob("loose", loose).status == 200

        said = collect_garbage(tmp_path, ours.store, "--dry-run")
        assert f"blob eligible for deletion: {loose}" in said
        assert wire.blob("loose", loose).status == 200

        collect_garbage(tmp_path, ours.store)
        assert wire.blob("loose", loose).status == 404
        assert wire.ask("HEAD", f"/v2/loose/blobs/{loose}").status == 404
        for name, tags in before.items():
            assert {tag: wire.pull(name, tag) for tag in wire.tags(name)} == tags
        for name, digest in revisions:
            assert wire.pull(name, digest) == digest
        assert len(revisions) > 20

        assert wire.push_blob("loose", LOOSE) == loose
        assert wire.blob("loose", loose).body == LOOSE

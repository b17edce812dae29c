"""A tree that docker-registry wrote, served by lreg."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.clients import trust
from tests.support.images import (
    Image,
    Index,
    artifact,
    hello,
    multi_arch,
    write_docker_archive,
    write_layout,
)
from tests.support.registries import Running, start_docker_registry, start_lreg
from tests.support.survey import files, places, survey

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.clients import Client
    from tests.support.daemons import Docker

pytestmark = [
    pytest.mark.client("docker-registry"),
    pytest.mark.client("skopeo"),
    pytest.mark.client("docker"),
]


def fill(theirs: Running, skopeo: Client, docker: Docker, folder: Path) -> None:
    """Push, push again, and delete, as a registry's users do over its life."""
    made: dict[str, Image | Index] = {
        "image": hello("image", 3 << 20),
        "index": multi_arch("index"),
    }
    layout = write_layout(folder / "layout", made)
    to = trust(theirs, "dest-")
    for name in made:
        for target in (f"{name}:v1", f"deep/er/{name}:v1", f"deep/er/{name}:v2"):
            where = f"docker://{theirs.host}/{target}"
            skopeo("copy", "--all", *to, f"oci:{layout}:{name}", where)
    schema2 = ("copy", "--format=v2s2", *to, f"oci:{layout}:image")
    skopeo(*schema2, f"docker://{theirs.host}/image:schema2")

    for tag in ("v1", "v2"):
        name = f"{theirs.host}/library/docker:{tag}"
        archive = write_docker_archive(folder / f"{tag}.tar", hello(f"docker {tag}"), name)
        docker.cli("load", "--input", str(archive))
        docker.cli("push", name)
    docker.cli("tag", f"{theirs.host}/library/docker:v2", f"{theirs.host}/library/docker:v1")
    docker.cli("push", f"{theirs.host}/library/docker:v1")

    with theirs.wire() as wire:
        wire.push("list", multi_arch("list", docker=True), "v1")
        subject = hello("subject")
        wire.push("signed", subject, "v1")
        wire.push("signed", artifact(subject.manifest, "test/signature", b"signed"))
        for tag in ("gone", "kept"):
            wire.push("some-deleted", hello(tag), tag)
        wire.push("all-deleted", hello("gone"), "v1")
        gone = hello("gone").manifest.digest
        for repository in ("some-deleted", "all-deleted"):
            wire.ask("DELETE", f"/v2/{repository}/manifests/{gone}").expect(202)
        blob = wire.push_blob("blobs-only", b"one")
        wire.push_blob("blobs-only", b"two")
        wire.ask("DELETE", f"/v2/blobs-only/blobs/{blob}").expect(202)
        wire.start_upload("never-finished")


def test_their_tree_is_served_in_full(tmp_path: Path, skopeo: Client, dockerd: Docker) -> None:
    """A volume of `registry:2` moves to lreg as it is, and back.

    Every repository, tag, manifest and blob is the same to a client, present and deleted ones,
    and serving writes nothing into distribution's part of the tree.
    """
    store = tmp_path / "store"
    theirs = start_docker_registry(tmp_path, store)
    try:
        fill(theirs, skopeo, dockerd, tmp_path)
        named = places(store)
        with theirs.wire() as wire:
            before = survey(wire, named)
    finally:
        theirs.process.kill()
    assert len(before) > 100
    written = files(store)

    ours = start_lreg(tmp_path, store=store)
    try:
        with ours.wire() as wire:
            assert survey(wire, named) == before
            assert survey(wire, named) == before, "from memory"
            referrers = wire.ask("GET", f"/v2/signed/referrers/{hello('subject').manifest.digest}")
            kinds = [each["artifactType"] for each in referrers.json()["manifests"]]
            assert kinds == ["test/signature"]
    finally:
        ours.stop()
    assert files(store) == written

    theirs = start_docker_registry(tmp_path, store)
    try:
        with theirs.wire() as wire:
            assert survey(wire, named) == before
    finally:
        theirs.process.kill()


def test_their_tree_is_written_on(tmp_path: Path, skopeo: Client, dockerd: Docker) -> None:
    """A lreg goes on where docker-registry stopped: pushes, tags and deletes on the old tree."""
    store = tmp_path / "store"
    theirs = start_docker_registry(tmp_path, store)
    try:
        fill(theirs, skopeo, dockerd, tmp_path)
    finally:
        theirs.process.kill()

    ours = start_lreg(tmp_path, store=store)
    try:
        with ours.wire() as wire:
            old = wire.manifest("image", "v1").headers["docker-content-digest"]
            wire.push("image", hello("new"), "v1")
            wire.push("image", hello("new"), "v3")
            wire.ask("DELETE", f"/v2/image/manifests/{old}").expect(202)
            wire.push("some-deleted", hello("gone"), "gone")
            tags = {name: wire.tags(name) for name in ("image", "some-deleted")}
    finally:
        ours.stop()
    assert tags == {"image": ["schema2", "v1", "v3"], "some-deleted": ["gone", "kept"]}

    theirs = start_docker_registry(tmp_path, store)
    try:
        with theirs.wire() as wire:
            assert {name: sorted(wire.tags(name)) for name in tags} == tags
            assert wire.manifest("image", old).status == 404
            for name, its_tags in tags.items():
                for tag in its_tags:
                    wire.pull(name, tag)
    finally:
        theirs.process.kill()

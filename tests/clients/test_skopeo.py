"""skopeo, the client that the seed text manages its registry with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.clients import Client, trust
from tests.support.images import (
    DOCKER_MANIFEST,
    Image,
    Index,
    hello,
    image,
    layout_digests,
    multi_arch,
    read_layout,
    write_docker_archive,
    write_layout,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registries import Running

pytestmark = pytest.mark.client("skopeo")

MANY_LAYERS = image(*({f"etc/{n}": b"x" * n} for n in range(1, 9)))


@pytest.mark.parametrize(
    "made",
    [hello("skopeo"), hello("skopeo large", 5 << 20), MANY_LAYERS, multi_arch("skopeo")],
    ids=["image", "large", "many-layers", "index"],
)
def test_copy_round_trip(
    registry: Running, skopeo: Client, tmp_path: Path, repository: str, made: Image | Index
) -> None:
    """What goes in from an OCI layout comes out of the registry byte for byte, digests kept."""
    source = write_layout(tmp_path / "source", {"v1": made})
    target = tmp_path / "target"
    name = f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", "--all", *trust(registry, "dest-"), f"oci:{source}:v1", name)
    skopeo("copy", "--all", *trust(registry, "src-"), name, f"oci:{target}:v1")
    assert read_layout(target) == read_layout(source)
    assert read_layout(target).keys() == layout_digests(made)


def test_copy_docker_archive(
    registry: Running, skopeo: Client, tmp_path: Path, repository: str
) -> None:
    """What `docker save` wrote can be pushed, and keeps its config, which is its image id."""
    made = hello("docker archive", docker=True)
    archive = write_docker_archive(tmp_path / "saved.tar", made, "saved:v1")
    name = f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", *trust(registry, "dest-"), f"docker-archive:{archive}", name)
    with registry.wire() as wire:
        wire.pull(repository, "v1")
        manifest = wire.manifest(repository, "v1")
    assert manifest.headers["content-type"] == DOCKER_MANIFEST
    assert manifest.json()["config"]["digest"] == made.blobs[0].digest


def test_copy_as_schema_2(
    registry: Running, skopeo: Client, tmp_path: Path, repository: str
) -> None:
    """A Docker schema 2 image is stored as such and offered under its own type."""
    source = write_layout(tmp_path / "source", {"v1": hello("schema 2")})
    name = f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", "--format=v2s2", *trust(registry, "dest-"), f"oci:{source}:v1", name)
    raw = skopeo("inspect", "--raw", *trust(registry), name).out
    assert json.loads(raw)["mediaType"] == DOCKER_MANIFEST
    with registry.wire() as wire:
        assert wire.manifest(repository, "v1").body.decode() == raw


def test_copy_inside(registry: Running, skopeo: Client, repository: str) -> None:
    """A manifest list copied to another repository of the same registry keeps its digest."""
    made = multi_arch("inside", docker=True)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
        source, target = (f"docker://{registry.host}/{repository}{end}" for end in (":v1", "/b:v1"))
        both = [*trust(registry, "src-"), *trust(registry, "dest-")]
        skopeo("copy", "--all", "--preserve-digests", *both, source, target)
        assert wire.pull(f"{repository}/b", "v1") == made.manifest.digest


def test_inspect(registry: Running, skopeo: Client, repository: str) -> None:
    """`skopeo inspect` tells name, digest, tags, platform and layers."""
    made = hello("inspect")
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
        wire.push(repository, made, "latest")
    said = skopeo("inspect", *trust(registry), f"docker://{registry.host}/{repository}:v1")
    told = json.loads(said.out)
    assert told["Name"] == f"{registry.host}/{repository}"
    assert told["Digest"] == made.manifest.digest
    assert sorted(told["RepoTags"]) == ["latest", "v1"]
    assert told["Architecture"] == "amd64"
    assert told["Layers"] == [each.digest for each in made.blobs[1:]]


def test_inspect_picks_a_platform(registry: Running, skopeo: Client, repository: str) -> None:
    """Of a multi-platform image, each platform's own image is told."""
    with registry.wire() as wire:
        wire.push(repository, multi_arch("platforms"), "v1")
    name = f"docker://{registry.host}/{repository}:v1"
    for architecture in ("amd64", "s390x"):
        chosen = ["--override-os=linux", f"--override-arch={architecture}"]
        told = json.loads(skopeo(*chosen, "inspect", *trust(registry), name).out)
        assert told["Architecture"] == architecture


def test_list_tags(registry: Running, skopeo: Client, repository: str) -> None:
    """`skopeo list-tags` lists every tag, however many there are."""
    tags = [f"v{n:03}" for n in range(150)]
    made = hello("tags")
    with registry.wire() as wire:
        wire.push(repository, made, tags[0])
        for tag in tags[1:]:
            wire.push_manifest(repository, made.manifest, tag)
    said = skopeo("list-tags", *trust(registry), f"docker://{registry.host}/{repository}")
    assert sorted(json.loads(said.out)["Tags"]) == tags


def test_delete(registry: Running, skopeo: Client, repository: str) -> None:
    """`skopeo delete` removes an image; the next inspect says that it is not there."""
    with registry.wire() as wire:
        wire.push(repository, hello("delete"), "v1")
        wire.push(repository, hello("stays"), "v2")
        name = f"docker://{registry.host}/{repository}"
        skopeo("delete", *trust(registry), f"{name}:v1")
        gone = skopeo.attempt("inspect", *trust(registry), f"{name}:v1")
        assert gone.code == 1
        assert "manifest unknown" in gone.err
        assert wire.tags(repository) == ["v2"]
        wire.pull(repository, "v2")


def test_unknown_image(registry: Running, skopeo: Client, repository: str) -> None:
    """An image that is not there is said so, not a failure of the registry."""
    gone = skopeo.attempt("inspect", *trust(registry), f"docker://{registry.host}/{repository}:v1")
    assert gone.code == 1
    assert "unknown" in gone.err


def test_sync(registry: Running, skopeo: Client, tmp_path: Path, repository: str) -> None:
    """`skopeo sync` takes a whole repository to a folder, as one does for an air gap."""
    with registry.wire() as wire:
        for tag in ("v1", "v2"):
            wire.push(repository, hello(f"sync {tag}"), tag)
    options = ["--src=docker", "--dest=dir", "--scoped", *trust(registry, "src-")]
    skopeo("sync", *options, f"{registry.host}/{repository}", str(tmp_path))
    place = tmp_path / registry.host
    assert sorted(each.name for each in (place / repository).parent.iterdir()) == [
        f"{repository.rpartition('/')[2]}:{tag}" for tag in ("v1", "v2")
    ]


@pytest.mark.client("umoci")
def test_umoci_image(registry: Running, skopeo: Client, tmp_path: Path, repository: str) -> None:
    """What umoci built keeps its digests through the registry, and umoci can unpack it again."""
    umoci = Client(tmp_path / "umoci", "umoci")
    (tmp_path / "hello").write_text("hello\n")
    umoci("init", "--layout=made")
    umoci("new", "--image=made:v1")
    umoci("insert", "--rootless", "--image=made:v1", str(tmp_path / "hello"), "/etc/hello")
    name = f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", *trust(registry, "dest-"), f"oci:{umoci.home}/made:v1", name)
    skopeo("copy", *trust(registry, "src-"), name, f"oci:{umoci.home}/back:v1")
    made, back = read_layout(umoci.home / "made"), read_layout(umoci.home / "back")
    assert back.items() <= made.items()
    umoci("unpack", "--rootless", "--image=back:v1", "bundle")
    assert (umoci.home / "bundle/rootfs/etc/hello").read_text() == "hello\n"

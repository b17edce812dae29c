"""Images between engines, archives and the registry: `lreg upload`, `pull` and `save`."""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.server.commands.conftest import lreg_of
from tests.support.images import (
    hello,
    image,
    layered,
    layout_digests,
    multi_arch,
    noise,
    read_layout,
    tar,
    write_docker_archive,
    write_layout,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.clients import Client
    from tests.support.daemons import Containerd, Docker
    from tests.support.registries import Running


@pytest.fixture
def lreg(registry: Running, tmp_path: Path) -> Lreg:
    """The command, beside the registry, on a machine without engines."""
    return lreg_of(registry, tmp_path, DOCKER_HOST="unix:///no/docker.sock", PATH="/no/programs")


@pytest.fixture
def with_docker(registry: Running, dockerd: Docker, tmp_path: Path) -> Lreg:
    """The command, beside the registry and a Docker daemon."""
    return lreg_of(registry, tmp_path, DOCKER_HOST=dockerd.host)


@pytest.fixture
def with_podman(registry: Running, podman: Client, tmp_path: Path) -> Lreg:
    """The command, beside the registry and a podman."""
    conf = tmp_path / "storage.conf"
    conf.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{podman.home}/root"\n'
        f'runroot = "{podman.home}/run"\n'
    )
    return lreg_of(
        registry,
        tmp_path,
        DOCKER_HOST="unix:///no/docker.sock",
        CONTAINERS_STORAGE_CONF=str(conf),
    )


@pytest.fixture
def with_containerd(registry: Running, containerd: Containerd, tmp_path: Path) -> Lreg:
    """The command, beside the registry and a containerd."""
    return lreg_of(
        registry,
        tmp_path,
        DOCKER_HOST="unix:///no/docker.sock",
        CONTAINERD_ADDRESS=containerd.address,
    )


@pytest.mark.client("docker")
def test_upload_from_docker(
    registry: Running, dockerd: Docker, with_docker: Lreg, tmp_path: Path, repository: str
) -> None:
    """An image of the daemon comes under the name it has there, with the daemon's own config."""
    made = hello(repository, 3 << 20, docker=True)
    dockerd.cli(
        "load", "--input", str(write_docker_archive(tmp_path / "x", made, f"{repository}:latest"))
    )
    assert with_docker.run("upload", "--quiet", repository) == ""
    with registry.wire() as wire:
        manifest = wire.manifest(repository, "latest").json()
        assert manifest["config"]["digest"] == made.blobs[0].digest
        wire.pull(repository, "latest")
    name = f"docker.io/{repository}:v1"
    dockerd.cli("tag", repository, name)
    with_docker.run("upload", "--include-host", name)
    with_docker.run("upload", "--strip-host", name)
    with registry.wire() as wire:
        assert wire.tags(f"docker.io/{repository}") == ["v1"]
        assert wire.tags(repository) == ["latest", "v1"]


@pytest.mark.client("docker")
def test_pull_to_docker(
    registry: Running, dockerd: Docker, with_docker: Lreg, repository: str
) -> None:
    """The daemon gets this machine's image of an index, and knows it by its config."""
    made = multi_arch(repository)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    with_docker.run("pull", "--to=docker", f"{repository}:v1")
    assert dockerd.image_id(f"{repository}:v1") == made.images[0].blobs[0].digest
    with_docker.run("pull", "--to=docker", "--as=other/name", f"{repository}:v1")
    assert dockerd.image_id("other/name:latest") == made.images[0].blobs[0].digest


@pytest.mark.client("docker")
def test_layer_of_no_bytes(
    registry: Running, dockerd: Docker, with_docker: Lreg, repository: str
) -> None:
    """The daemon takes an image with a layer of no bytes, and it comes back from there."""
    made = layered(tar({"file": b"x"}), b"")
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    with_docker.run("pull", "--to=docker", f"{repository}:v1")
    assert dockerd.image_id(f"{repository}:v1") == made.blobs[0].digest
    with_docker.run("upload", f"{repository}:v1", "--as", f"{repository}:back")
    assert with_docker.lines("files", f"{repository}:back") == ["file"]


@pytest.mark.client("podman")
def test_podman_both_ways(
    registry: Running, podman: Client, with_podman: Lreg, repository: str
) -> None:
    """A podman gets an image, and gives it back, its layers and config the same."""
    made = hello(repository, 3 << 20)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    with_podman.run("pull", "--to=podman", "--as=quay.io/x/y:1", f"{repository}:v1")
    shown = json.loads(podman("image", "inspect", "quay.io/x/y:1").out)
    assert shown[0]["Id"] == made.blobs[0].digest.removeprefix("sha256:")
    with_podman.run("upload", "--from=podman", "quay.io/x/y:1", "--as", f"{repository}:back")
    with registry.wire() as wire:
        back = wire.manifest(repository, "back").json()
        assert back["config"]["digest"] == made.blobs[0].digest


@pytest.mark.client("containerd")
def test_containerd_both_ways(
    registry: Running, containerd: Containerd, with_containerd: Lreg, repository: str
) -> None:
    """A containerd gets an image where CRI finds it, and gives it back, byte for byte."""
    made = hello(repository, 3 << 20)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    with_containerd.run("pull", "--to=containerd", "--as=quay.io/x/y:1", f"{repository}:v1")
    assert "quay.io/x/y:1" in containerd.ctr("images", "list", "--quiet").out.split()
    with_containerd.run("upload", "containerd:quay.io/x/y:1", "--as", f"{repository}:back")
    with registry.wire() as wire:
        assert wire.pull(repository, "back") == made.manifest.digest


@pytest.mark.client("containerd")
def test_containerd_holds_a_part(
    registry: Running, containerd: Containerd, with_containerd: Lreg, repository: str
) -> None:
    """Of an index that it pulled a containerd has this machine's image: that is uploaded."""
    made = multi_arch(repository)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    name = f"{registry.host}/{repository}:v1"
    containerd.ctr("images", "pull", "--hosts-dir", str(containerd.hosts), name)
    with_containerd.run("upload", f"containerd:{name}", "--as", f"{repository}:back")
    with registry.wire() as wire:
        assert wire.pull(repository, "back") == made.images[0].manifest.digest


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, lzma.compress])
def test_archive_of_several(
    registry: Running,
    lreg: Lreg,
    tmp_path: Path,
    repository: str,
    pack: Callable[[bytes], bytes],
) -> None:
    """All images of an archive come, packed or not; what they share is sent once."""
    shared = {"shared": noise(100_000, "shared")}
    first, second = image(shared, {"a": b"1"}), image(shared, {"b": b"2"})
    names = [f"quay.io/{repository}/{name}:1" for name in "ab"]
    layout = write_layout(tmp_path / "layout", dict(zip(names, (first, second), strict=True)))
    with tarfile.open(tmp_path / "plain", "w") as archive:
        archive.add(layout, ".")
    packed = tmp_path / "packed"
    packed.write_bytes(pack((tmp_path / "plain").read_bytes()))
    uploaded = lreg.json("upload", str(packed))
    assert [one["digest"] for one in uploaded] == [first.manifest.digest, second.manifest.digest]
    with registry.wire() as wire:
        assert wire.pull(f"quay.io/{repository}/a", "1") == first.manifest.digest
        assert wire.pull(f"quay.io/{repository}/b", "1") == second.manifest.digest


def test_called_by_its_digest(
    registry: Running, lreg: Lreg, tmp_path: Path, repository: str
) -> None:
    """What has no name but its digest gets no tag: it is pulled by that, as from where it was."""
    made = hello(repository)
    name = f"{repository}@{made.manifest.digest}"
    layout = write_layout(tmp_path / "layout", {name: made})
    (uploaded,) = lreg.json("upload", str(layout))
    assert uploaded["target"] == f"{registry.host}/{name}"
    assert lreg.lines("tags", repository) == []
    with registry.wire() as wire:
        assert wire.pull(repository, made.manifest.digest) == made.manifest.digest
    other = write_layout(tmp_path / "other", {name: hello("other")})
    assert "--as NAME:TAG" in lreg.fail(2, "upload", str(other))
    lreg.run("upload", str(other), "--as", f"{repository}:tagged")
    assert lreg.lines("tags", repository) == ["tagged"]


@pytest.mark.client("docker")
def test_docker_has_it_by_its_digest(
    registry: Running, dockerd: Docker, with_docker: Lreg, repository: str
) -> None:
    """What Docker gives away in another form than it pulled is not called by that digest."""
    dockerd.trust(registry)
    with registry.wire() as wire:
        digest = wire.push(repository, hello(repository), "1")
    name = f"{registry.host}/{repository}@{digest}"
    dockerd.cli("pull", name)
    assert "--as NAME:TAG" in with_docker.fail(2, "upload", "-q", name)
    with_docker.run("upload", name, "--as", f"{repository}:back")
    assert sorted(with_docker.lines("tags", repository)) == ["1", "back"]


def test_own_host_is_no_part_of_a_name(
    registry: Running, lreg: Lreg, tmp_path: Path, repository: str
) -> None:
    """What is tagged for this registry, as for `docker push`, is called here as a push calls it."""
    name = f"{registry.host}/{repository}:1"
    lreg.run("upload", str(write_docker_archive(tmp_path / "x", hello(repository), name)))
    assert lreg.lines("tags", repository) == ["1"]


def test_saved_and_uploaded(registry: Running, lreg: Lreg, repository: str) -> None:
    """What is saved here, or bundled, is uploaded under the names that it had."""
    names = [f"{registry.host}/{repository}:1", f"{registry.host}/quay.io/{repository}:2"]
    with registry.wire() as wire:
        wire.push(repository, hello(repository), "1")
        wire.push(f"quay.io/{repository}", hello(repository), "2")
    lreg.run("save", "-q", "-o", "saved", *names)
    lreg.run("bundle", "create", "-q", "-o", "bundled", *names)
    for archive in ("saved", "bundled"):
        assert [one["target"] for one in lreg.json("upload", "-q", archive)] == names


def test_upload_again_sends_nothing(lreg: Lreg, tmp_path: Path, repository: str) -> None:
    """What the registry has is not sent again."""
    archive = write_docker_archive(tmp_path / "x", hello(repository), f"{repository}:1")
    assert lreg.json("upload", str(archive))[0]["copied"]["count"] == 4
    # The manifest, for the tag may have come to mean another one.
    assert lreg.json("upload", str(archive))[0]["copied"]["count"] == 1


def test_what_can_not_be_uploaded(lreg: Lreg, tmp_path: Path, repository: str) -> None:
    """What is nowhere, has no name or is no archive is said in one line that helps."""
    assert "no engine here has an image no/such:1" in lreg.fail(1, "upload", "no/such:1")
    layout = write_layout(tmp_path / "layout", {"v1": hello(repository)})
    assert "--as NAME" in lreg.fail(2, "upload", str(layout))
    lreg.run("upload", f"oci:{layout}", "--as", repository)
    assert lreg.lines("tags", repository) == ["v1"]
    (tmp_path / "text").write_text("hello\n" * 1000)
    assert "no tar" in lreg.fail(2, "upload", str(tmp_path / "text"))


@pytest.mark.client("skopeo")
def test_archive_for_skopeo(
    registry: Running, lreg: Lreg, skopeo: Client, tmp_path: Path, repository: str
) -> None:
    """An archive is a plain OCI layout: skopeo takes each image out of it by its name."""
    made = hello(repository)
    index = multi_arch(repository)
    with registry.wire() as wire:
        wire.push(repository, made, "1")
        wire.push(f"quay.io/{repository}", index, "2")
    names = (f"{repository}:1", f"{registry.host}/quay.io/{repository}:2")
    lreg.run("save", "-o", "saved.tar", *names)
    lreg.run("save", "-o", "again.tar", *names)
    saved = tmp_path / "saved.tar"
    assert saved.read_bytes() == (tmp_path / "again.tar").read_bytes()
    source = f"oci-archive:{saved}:quay.io/{repository}:2"
    skopeo("copy", "--all", source, f"oci:{tmp_path}/out:2")
    assert read_layout(tmp_path / "out").keys() == layout_digests(index)


@pytest.mark.client("skopeo")
def test_folder_for_skopeo(
    registry: Running, lreg: Lreg, skopeo: Client, tmp_path: Path, repository: str
) -> None:
    """`--to dir:` adds to an OCI layout, as other tools do, each beside what others put there."""
    made, other = hello(repository), hello(f"{repository} other")
    with registry.wire() as wire:
        wire.push(repository, made, "1")
    theirs = write_layout(tmp_path / "theirs", {"x": other})
    lreg.run("pull", "--to=dir:layout", "--as=app:1", f"{repository}:1")
    skopeo("copy", f"oci:{theirs}:x", f"oci:{tmp_path}/layout:other:1")
    lreg.run("pull", "--to=dir:layout", "--as=app:2", f"{repository}:1")
    for name, wanted in (("app:1", made), ("other:1", other), ("app:2", made)):
        shown = json.loads(skopeo("inspect", f"oci:{tmp_path}/layout:{name}").out)
        assert shown["Digest"] == wanted.manifest.digest


@pytest.mark.client("docker")
def test_what_docker_saved(
    registry: Running, dockerd: Docker, lreg: Lreg, tmp_path: Path, repository: str
) -> None:
    """What `docker save` writes of several images is uploaded, each under its names."""
    first, second = (hello(f"{repository} {number}", docker=True) for number in (1, 2))
    names = [f"{repository}/first:1", f"{repository}/second:2"]
    for made, name in zip((first, second), names, strict=True):
        archive = write_docker_archive(tmp_path / "x", made, name)
        dockerd.cli("load", "--input", str(archive))
    dockerd.cli("tag", names[0], f"{repository}/first:also")
    dockerd.cli("save", "-o", str(tmp_path / "saved"), *names, f"{repository}/first:also")
    assert len(lreg.json("upload", str(tmp_path / "saved"))) == 3
    with registry.wire() as wire:
        assert sorted(wire.tags(f"{repository}/first")) == ["1", "also"]
        for made, name in zip((first, second), names, strict=True):
            path, _, tag = name.partition(":")
            assert wire.manifest(path, tag).json()["config"]["digest"] == made.blobs[0].digest
            wire.pull(path, tag)


@pytest.mark.client("podman")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir", "docker-dir"])
def test_what_podman_saved(
    registry: Running, podman: Client, lreg: Lreg, tmp_path: Path, repository: str, form: str
) -> None:
    """So is what `podman save` writes in each form but the one that is none of images' forms."""
    made = hello(repository)
    archive = write_docker_archive(tmp_path / "x", made, f"{repository}:1")
    podman("load", "--input", str(archive))
    podman("save", "--format", form, "-o", str(tmp_path / "saved"), f"localhost/{repository}:1")
    if form == "docker-dir":
        assert "neither an OCI layout" in lreg.fail(2, "upload", str(tmp_path / "saved"))
        return
    lreg.run("upload", "--as", f"{repository}:back", str(tmp_path / "saved"))
    with registry.wire() as wire:
        wire.pull(repository, "back")
        config = wire.manifest(repository, "back").json()["config"]["digest"]
        assert config == made.blobs[0].digest


@pytest.mark.client("docker")
@pytest.mark.client("podman")
@pytest.mark.client("containerd")
def test_who_loads_what_was_saved(
    registry: Running,
    dockerd: Docker,
    podman: Client,
    containerd: Containerd,
    lreg: Lreg,
    repository: str,
) -> None:
    """One archive of two images: `docker load`, `podman load` and `ctr images import` take it."""
    made, second = hello(repository), hello(f"{repository} other")
    names = [f"quay.io/{repository}:1", f"quay.io/{repository}/other:2"]
    with registry.wire() as wire:
        for each, name in zip((made, second), names, strict=True):
            path, _, tag = name.partition(":")
            wire.push(path, each, tag)
    lreg.run("save", "-q", "-o", "saved", *(f"{registry.host}/{name}" for name in names))
    saved = str(lreg.home / "saved")
    dockerd.cli("load", "--input", saved)
    assert dockerd.image_id(names[0]) == made.blobs[0].digest
    assert dockerd.image_id(names[1]) == second.blobs[0].digest
    podman("load", "--input", saved)
    assert podman("image", "exists", names[0]).code == 0
    containerd.ctr("images", "import", saved)
    assert set(names) <= set(containerd.ctr("images", "list", "--quiet").out.split())

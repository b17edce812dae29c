"""Docker 29, whose images lie in a containerd image store: what it has keeps its digest."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.server.commands.conftest import lreg_of
from tests.support.images import (
    attested,
    hello,
    index,
    multi_arch,
    write_docker_archive,
    write_layout,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.daemons import Docker
    from tests.support.images import Image, Index
    from tests.support.registries import Running

pytestmark = pytest.mark.client("Docker 29")


@pytest.fixture
def docker(dockerd29: Docker, registry: Running) -> Docker:
    """The dockerd; it trusts the registry."""
    dockerd29.trust(registry)
    return dockerd29


@pytest.fixture
def lreg(registry: Running, docker: Docker, tmp_path: Path) -> Lreg:
    """The command, beside the registry and that Docker."""
    return lreg_of(registry, tmp_path, DOCKER_HOST=docker.host)


def load(docker: Docker, folder: Path, made: Image | Index, name: str) -> None:
    """Have it load all of an image, under a name."""
    layout = write_layout(folder / "layout", {name: made})
    with tarfile.open(folder / "layout.tar", "w") as archive:
        archive.add(layout, ".")
    docker.cli("load", "--input", str(folder / "layout.tar"))


def pull(docker: Docker, registry: Running, made: Image | Index, path: str, *options: str) -> str:
    """Have it pull an image from the registry; return what it is called."""
    with registry.wire() as wire:
        wire.push(path, made, "v1")
    name = f"{registry.host}/{path}:v1"
    docker.cli("pull", *options, name)
    return name


def test_pull_then_push(registry: Running, docker: Docker, repository: str) -> None:
    """What `docker pull` brought, `docker push` gives back byte for byte, and sends no layer."""
    made = hello(registry.url, 3 << 20)
    name = pull(docker, registry, made, repository)
    assert docker.image_id(name) == made.manifest.digest
    again = f"{registry.host}/{repository}/again:v1"
    docker.cli("tag", name, again)
    said = docker.cli("push", again).out
    assert said.count("Mounted from") == 2
    assert f"digest: {made.manifest.digest}" in said
    docker.cli("image", "rm", name, again)
    docker.cli("pull", f"{registry.host}/{repository}/again@{made.manifest.digest}")
    with registry.wire() as wire:
        assert wire.pull(f"{repository}/again", "v1") == made.manifest.digest


@pytest.mark.parametrize("kind", ["index", "attested"])
def test_push_an_index(
    registry: Running, docker: Docker, tmp_path: Path, repository: str, kind: str
) -> None:
    """All of a multi-platform image is pushed, attestations as well, where Docker has it all."""
    made = multi_arch(registry.url) if kind == "index" else attested(hello(registry.url))
    load(docker, tmp_path, made, f"{registry.host}/{repository}:v1")
    docker.cli("push", f"{registry.host}/{repository}:v1")
    with registry.wire() as wire:
        assert wire.pull(repository, "v1") == made.manifest.digest


def test_push_a_part(registry: Running, docker: Docker, repository: str) -> None:
    """Of an index that it pulled, it pushes the image that it has."""
    made = multi_arch(registry.url + repository)
    name = pull(docker, registry, made, repository, "--platform=linux/arm64")
    docker.cli("tag", name, f"{registry.host}/{repository}/part:v1")
    docker.cli("push", f"{registry.host}/{repository}/part:v1")
    with registry.wire() as wire:
        assert wire.pull(f"{repository}/part", "v1") == made.images[1].manifest.digest


def test_unknown_image(registry: Running, docker: Docker, repository: str) -> None:
    """An image that is not there is said so."""
    said = docker.cli.attempt("pull", f"{registry.host}/{repository}:v1")
    assert said.code == 1
    assert "not found" in said.err


def test_upload(registry: Running, docker: Docker, lreg: Lreg, repository: str) -> None:
    """An image comes byte for byte, however it is called: by name, digest or id."""
    made = hello(f"{registry.url} upload")
    name = pull(docker, registry, made, repository)
    digest = made.manifest.digest
    docker.cli("tag", name, f"{repository}:v1")
    names = [name, f"{repository}:v1", f"docker.io/{repository}:v1"]
    names += [f"{registry.host}/{repository}@{digest}", digest, digest[7:19]]
    for number, each in enumerate(names):
        lreg.run("upload", "--from=docker", each, "--as", f"{repository}/uploaded:{number}")
    with registry.wire() as wire:
        for number, _ in enumerate(names):
            assert wire.pull(f"{repository}/uploaded", str(number)) == digest


@pytest.mark.parametrize("kind", ["index", "attested"])
def test_upload_an_index(
    registry: Running, docker: Docker, lreg: Lreg, tmp_path: Path, repository: str, kind: str
) -> None:
    """So does all of a multi-platform image, and one with attestations; or one image of it."""
    one = hello(registry.url + repository)
    made = multi_arch(registry.url + repository) if kind == "index" else attested(one)
    load(docker, tmp_path, made, f"docker.io/{repository}:v1")
    lreg.run("upload", f"{repository}:v1")
    lreg.run("upload", "--platform=linux/amd64", f"{repository}:v1", "--as", f"{repository}:one")
    with registry.wire() as wire:
        assert wire.pull(repository, "v1") == made.manifest.digest
        assert wire.pull(repository, "one") == made.images[0].manifest.digest


def test_upload_a_part(registry: Running, docker: Docker, lreg: Lreg, repository: str) -> None:
    """Of an index that it pulled comes what it has: this machine's image, else the only one."""
    made = multi_arch(registry.url + repository)
    amd64, arm64, s390x = (each.manifest.digest for each in made.images)
    back = f"{repository}/back"
    name = pull(docker, registry, made, repository, "--platform=linux/arm64")
    lreg.run("upload", name, "--as", f"{back}:only")
    docker.cli("pull", "--platform=linux/s390x", name)
    assert "linux/arm64, linux/s390x: take one by --platform" in lreg.fail(1, "upload", name)
    lreg.run("upload", "--platform=linux/s390x", name, "--as", f"{back}:chosen")
    docker.cli("pull", "--platform=linux/amd64", name)
    docker.cli("image", "rm", name)
    docker.cli("pull", "--platform=linux/amd64", name)
    lreg.run("upload", name, "--as", f"{back}:here")
    with registry.wire() as wire:
        found = [wire.pull(back, tag) for tag in ("only", "chosen", "here")]
    assert found == [arm64, s390x, amd64]


@pytest.mark.client("docker")
@pytest.mark.parametrize("daemon", ["dockerd", "dockerd29"])
def test_upload_without_a_tag(
    request: pytest.FixtureRequest, registry: Running, tmp_path: Path, repository: str, daemon: str
) -> None:
    """A name without a tag means the latest, whatever else is in its repository; of 20.10 too."""
    docker: Docker = request.getfixturevalue(daemon)
    lreg = lreg_of(registry, tmp_path, DOCKER_HOST=docker.host)
    made = {tag: hello(f"{registry.url} {tag}", docker=True) for tag in ("old", "latest", "z")}
    for tag, each in made.items():
        archive = write_docker_archive(tmp_path / "x", each, f"{repository}:{tag}")
        docker.cli("load", "--input", str(archive))
    lreg.run("upload", repository)
    with registry.wire() as wire:
        assert wire.tags(repository) == ["latest"]
        config = wire.manifest(repository, "latest").json()["config"]["digest"]
    assert config == made["latest"].blobs[0].digest


def test_upload_beside_an_attestation(
    registry: Running, docker: Docker, lreg: Lreg, repository: str
) -> None:
    """What Docker knows of an image from elsewhere, such as its provenance, is not taken for it."""
    one = hello(f"{registry.url} {repository}")
    pull(docker, registry, attested(one), f"{repository}/attested")
    name = pull(docker, registry, index(one), repository)
    uploaded = lreg.json("upload", name, "--as", f"{repository}:back")
    assert [each["digest"] for each in uploaded] == [index(one).manifest.digest]
    with registry.wire() as wire:
        assert wire.pull(repository, "back") == index(one).manifest.digest


def test_pull_to_docker(registry: Running, docker: Docker, lreg: Lreg, repository: str) -> None:
    """`lreg pull` gives it this machine's image of an index, under its digest."""
    made = multi_arch(registry.url + repository)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    for name in (f"{repository}:v1", "quay.io/other/name:1"):
        lreg.run("pull", "--to=docker", f"--as={name}", f"{repository}:v1")
        assert docker.image_id(name) == made.images[0].manifest.digest
        docker.cli("image", "rm", name)


def test_archives(
    registry: Running, docker: Docker, lreg: Lreg, tmp_path: Path, repository: str
) -> None:
    """It loads what `lreg save` writes, all platforms of it, and lreg uploads what it saves."""
    made, second = multi_arch(registry.url + repository), hello(registry.url + repository)
    names = [f"quay.io/{repository}:1", f"quay.io/{repository}/second:2"]
    with registry.wire() as wire:
        wire.push(repository, made, "1")
        wire.push(f"{repository}/second", second, "2")
    lreg.run("pull", "--to=archive:one.tar", "--as", names[0], f"{repository}:1")
    lreg.run("pull", "--to=archive:two.tar", "--as", names[1], f"{repository}/second:2")
    for file in ("one.tar", "two.tar"):
        docker.cli("load", "--input", str(lreg.home / file))
    docker.cli("tag", names[1], f"quay.io/{repository}:also")
    docker.cli("save", "-o", str(tmp_path / "saved"), *names, f"quay.io/{repository}:also")
    lreg.run("upload", str(tmp_path / "saved"))
    with registry.wire() as wire:
        assert wire.pull(f"quay.io/{repository}", "1") == made.manifest.digest
        assert wire.pull(f"quay.io/{repository}/second", "2") == second.manifest.digest
        assert wire.pull(f"quay.io/{repository}", "also") == second.manifest.digest
    held = json.loads(docker.cli("image", "inspect", names[0]).out)
    assert held[0]["Id"] == made.manifest.digest

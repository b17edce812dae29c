"""`lreg inspect`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lreg.oci.platform import Platform
from tests.server.commands.conftest import NOT_ZOT, Lreg
from tests.support.images import Content, Image, artifact, hello, index, multi_arch, sha256

if TYPE_CHECKING:
    from tests.support.wire import Wire

HERE = Platform.here().architecture


def test_image(lreg: Lreg, wire: Wire, repository: str) -> None:
    """The digest, the platform, the size, what runs, and each layer with its size are shown."""
    image = hello("x", size=3 << 20)
    wire.push(repository, image, "1")
    lines = lreg.lines("inspect", f"{repository}:1")
    first, second = (blob.digest for blob in image.blobs[1:])
    assert lines[0].split() == ["Name:", f"{lreg.registry.host}/{repository}:1"]
    assert lines[1].split() == ["Digest:", image.manifest.digest]
    assert "Platform:  linux/amd64" in lines
    assert "Size:      3.0 MiB in 2 layers" in lines
    assert 'Cmd:       ["/hello"]' in lines
    assert lines[-3:-1] == ["Layers:", f"  {first}  {len(image.blobs[1].data)} B"]
    assert lines[-1] == f"  {second}  3.0 MiB"


def test_json(lreg: Lreg, wire: Wire, repository: str) -> None:
    """--json tells the same with sizes in bytes, for the name with its host too."""
    image = hello("x")
    wire.push(repository, image, "latest")
    name = f"{lreg.registry.host}/{repository}"
    found = lreg.json("inspect", name)
    assert found == lreg.json("inspect", repository)
    assert found["name"] == f"{name}:latest"
    assert found["digest"] == found["image"]["digest"] == image.manifest.digest
    assert found["image"]["layers"] == [
        {"digest": blob.digest, "size": len(blob.data), "media_type": blob.media_type}
        for blob in image.blobs[1:]
    ]
    assert found["image"]["size"] == sum(len(blob.data) for blob in image.blobs)
    assert found["image"]["config"] == {"cmd": ["/hello"]}


@NOT_ZOT
@pytest.mark.parametrize("docker", [False, True])
def test_index(lreg: Lreg, wire: Wire, repository: str, docker: bool) -> None:
    """Of an index all platforms are listed, and this machine's image or the one asked for shown."""
    image = multi_arch("x", docker=docker)
    wire.push(repository, image, "1")
    found = lreg.json("inspect", f"{repository}:1")
    assert found["digest"] == image.manifest.digest
    assert [one["platform"] for one in found["platforms"]] == [
        "linux/amd64",
        "linux/arm64",
        "linux/s390x",
    ]
    by_platform = {one.architecture: one.manifest.digest for one in image.images}
    assert found["image"]["digest"] == by_platform[HERE]
    asked = lreg.json("inspect", f"{repository}:1", "--platform", "linux/s390x")
    assert asked["image"]["digest"] == by_platform["s390x"]
    assert asked["image"]["platform"] == "linux/s390x"


def test_platform_missing(lreg: Lreg, wire: Wire, repository: str) -> None:
    """A platform that an image has not is said with those it has; exit code 4."""
    wire.push(repository, multi_arch("x"), "1")
    wire.push(repository, hello("x"), "2")
    said = lreg.fail(4, "inspect", f"{repository}:1", "--platform", "linux/arm/v7")
    assert "linux/arm/v7, only for: linux/amd64, linux/arm64, linux/s390x" in said
    said = lreg.fail(4, "inspect", f"{repository}:2", "--platform", "linux/arm64")
    assert "no image for linux/arm64, but for linux/amd64" in said


def test_raw(lreg: Lreg, wire: Wire, repository: str) -> None:
    """--raw prints the manifest's bytes and nothing else: their hash is the digest."""
    image = multi_arch("x")
    wire.push(repository, image, "1")
    command = [sys.executable, "-m", "lreg", "inspect", "--raw", f"{repository}:1"]
    printed = subprocess.run(command, env=lreg.env, capture_output=True, check=True).stdout
    assert printed == image.manifest.data
    command += ["--platform", "linux/arm64"]
    printed = subprocess.run(command, env=lreg.env, capture_output=True, check=True).stdout
    assert printed == image.images[1].manifest.data


def test_referrers(lreg: Lreg, wire: Wire, repository: str) -> None:
    """What refers to an image is listed with its type, by the API or the fallback tag."""
    image = hello("x")
    wire.push(repository, image, "1")
    signature = artifact(image.manifest, "application/vnd.test.signature", b"signed")
    wire.push(repository, signature)
    if not lreg.json("inspect", f"{repository}:1")["image"]["referrers"]:
        # distribution has no referrers API: its clients keep an index under a tag.
        listed = index(Image(signature.manifest, signature.blobs))
        wire.push(repository, listed, image.manifest.digest.replace(":", "-"))
    (referrer,) = lreg.json("inspect", f"{repository}:1")["image"]["referrers"]
    assert referrer["digest"] == signature.manifest.digest
    lines = lreg.lines("inspect", f"{repository}:1")
    assert lines[-2] == "Referrers:"
    assert signature.manifest.digest in lines[-1]


def test_artifact(lreg: Lreg, wire: Wire, repository: str) -> None:
    """An artifact without an image config is shown by its type and blobs."""
    image = hello("x")
    wire.push(repository, image, "1")
    note = artifact(image.manifest, "application/vnd.test.note", b"a note")
    wire.push(repository, note, "note")
    lines = lreg.lines("inspect", f"{repository}:note")
    assert "Artifact:  application/vnd.test.note" in lines
    assert lines[-1] == f"  {sha256(b'a note')}  6 B"


def test_by_digest(lreg: Lreg, wire: Wire, repository: str) -> None:
    """An image can be named by its digest."""
    digest = wire.push(repository, hello("x"), "1")
    assert lreg.json("inspect", f"{repository}@{digest}")["digest"] == digest


def test_not_there(lreg: Lreg, wire: Wire, repository: str) -> None:
    """An image that is not there is an error with exit code 4."""
    wire.push(repository, hello("x"), "1")
    assert f"{repository}:2" in lreg.fail(4, "inspect", f"{repository}:2")
    lreg.fail(4, "inspect", "not/there")


@NOT_ZOT
def test_broken_config(lreg: Lreg, wire: Wire, repository: str) -> None:
    """An image whose config is no JSON is said so; exit code 3."""
    good = hello("x")
    config = Content(good.blobs[0].media_type, b"not json")
    raw = good.manifest.data.replace(good.blobs[0].digest.encode(), config.digest.encode()).replace(
        f'"size":{len(good.blobs[0].data)}'.encode(), b'"size":8', 1
    )
    broken = Image(Content(good.manifest.media_type, raw), (config, *good.blobs[1:]))
    wire.push(repository, broken, "1")
    assert "the image config is not JSON" in lreg.fail(3, "inspect", f"{repository}:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "--raw", "--json"), "exclude each other"),
        (("x", "--platform", "amd64"), "not a platform"),
        (("x@sha256:1",), "not a sha256 or sha512 digest"),
        ((), "Missing argument"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str) -> None:
    """A malformed command line is one line, with exit code 2 (3 for a digest's form)."""
    code = 3 if "@" in "".join(arguments) else 2
    assert message in lreg_here.fail(code, "inspect", *arguments)

"""curl, as in the text that lreg grew out of: the registry is readable without any client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.images import DOCKER_MANIFEST, hello, sha256

if TYPE_CHECKING:
    from tests.support.clients import Client
    from tests.support.registries import Running

pytestmark = pytest.mark.client("curl")


def test_catalog(registry: Running, curl: Client, repository: str) -> None:
    """`curl -X GET …/v2/_catalog` lists the repositories."""
    with registry.wire() as wire:
        wire.push(repository, hello(repository), "v1")
    listed = json.loads(curl("-X", "GET", f"{registry.url}/v2/_catalog?n=1000").out)
    assert repository in listed["repositories"]


def test_tags(registry: Running, curl: Client, repository: str) -> None:
    """`curl -X GET …/tags/list` lists the tags of one image."""
    with registry.wire() as wire:
        wire.push(repository, hello(repository), "3.8")
    listed = json.loads(curl("-X", "GET", f"{registry.url}/v2/{repository}/tags/list").out)
    assert listed == {"name": repository, "tags": ["3.8"]}


def test_version_check(registry: Running, curl: Client) -> None:
    """`curl …/v2/` answers 200, which is how every client asks whether this is a registry."""
    said = curl("--write-out", "%{http_code}", "--output", "/dev/null", f"{registry.url}/v2/")
    assert said.out == "200"


def test_manifest(registry: Running, curl: Client, repository: str) -> None:
    """A manifest comes as it was pushed and under its own type, whatever curl accepts."""
    made = hello(repository, docker=True)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    said = curl("--include", f"{registry.url}/v2/{repository}/manifests/v1")
    head, _, body = said.out.replace("\r\n", "\n").partition("\n\n")
    headers = {line.lower() for line in head.splitlines()}
    assert f"content-type: {DOCKER_MANIFEST}" in headers
    assert f"docker-content-digest: {made.manifest.digest}" in headers
    assert body.encode() == made.manifest.data


def test_resumed_download(registry: Running, curl: Client, repository: str) -> None:
    """`curl --continue-at -` finishes a download that was cut."""
    made = hello(repository, 3 << 20)
    layer = made.blobs[-1]
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    part = curl.home / "layer"
    part.write_bytes(layer.data[: 1 << 20])
    url = f"{registry.url}/v2/{repository}/blobs/{layer.digest}"
    curl("--continue-at", "-", "--output", str(part), url)
    assert sha256(part.read_bytes()) == layer.digest


def test_upload(registry: Running, curl: Client, repository: str) -> None:
    """A large file goes up by `curl --upload-file`, which asks with Expect: 100-continue."""
    data = hello(repository, 3 << 20).blobs[-1]
    file = curl.home / "blob"
    file.write_bytes(data.data)
    with registry.wire() as wire:
        location = wire.start_upload(repository)
        url = location if "://" in location else registry.url + location
        joint = "&" if "?" in url else "?"
        argv = ["--upload-file", str(file), "--write-out", "%{http_code}"]
        said = curl("--expect100-timeout", "20", *argv, f"{url}{joint}digest={data.digest}")
        assert said.out == "201"
        assert wire.blob(repository, data.digest).body == data.data

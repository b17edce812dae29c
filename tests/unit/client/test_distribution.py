"""The client against distribution itself, open and behind a password."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import bcrypt
import pytest

from lreg.client.copy import Options, copy_image
from lreg.client.credentials import Credentials, Only
from lreg.client.registry import Registry
from lreg.errors import ManifestBlobUnknown, ManifestUnknown, NameUnknown, Unauthorized
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import RepositoryName, Tag
from tests.support.processes import Program, clean_environment, free_port, listens
from tests.support.registries import docker_registry_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from lreg.client.repository import RemoteRepository
    from tests.support.registries import Running

pytestmark = pytest.mark.client("docker-registry")

LAYER = random.Random("layer").randbytes(5 << 20)


@pytest.fixture
async def far(docker_registry: Running) -> AsyncIterator[Registry]:
    async with Registry(docker_registry.host, credentials=Only(None)) as registry:
        yield registry


@pytest.fixture
def one(far: Registry, repository: str) -> RemoteRepository:
    """A repository that no other test uses."""
    return far.repository(RepositoryName.parse(repository))


async def push(repository: RemoteRepository, tag: Tag | None, **more: object) -> Manifest:
    """Push an image of one layer; `more` are fields of its manifest."""
    config = Descriptor(mediatypes.OCI_CONFIG, Digest.of(b"{}"), 2)
    layer = Descriptor(mediatypes.OCI_LAYER, Digest.of(LAYER), len(LAYER))
    await repository.push_blob(config, b"{}")
    await repository.push_blob(layer, LAYER)
    fields = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json()],
    }
    manifest = Manifest.parse(json.dumps(fields | more).encode())
    await repository.put_manifest(manifest, tag or manifest.digest)
    return manifest


async def test_push_and_pull(far: Registry, one: RemoteRepository) -> None:
    """What is pushed is listed, resolved and pulled, from the middle too."""
    manifest = await push(one, Tag("1"))
    assert [str(tag) async for tag in one.tags()] == ["1"]
    assert one.name in [name async for name in far.catalog("tests/")]
    assert await one.resolve(Tag("1")) == manifest.descriptor
    assert await one.manifest(Tag("1")) == manifest
    (layer,) = manifest.layers
    assert b"".join([piece async for piece in one.blob(layer)]) == LAYER
    assert b"".join([piece async for piece in one.blob(layer, 1 << 20)]) == LAYER[1 << 20 :]


async def test_unknown(far: Registry, one: RemoteRepository) -> None:
    """What is not there is unknown, each thing in its own way."""
    with pytest.raises(NameUnknown):
        _ = [tag async for tag in one.tags()]
    with pytest.raises(ManifestUnknown):
        await one.resolve(Tag("1"))
    assert not await one.has_blob(Digest.of(b"absent"))
    manifest = await push(one, Tag("1"))
    other = far.repository(RepositoryName(f"{one.name}/other"))
    with pytest.raises(ManifestBlobUnknown):
        await other.put_manifest(manifest, Tag("1"))


async def test_copy_and_delete(far: Registry, one: RemoteRepository) -> None:
    """Within distribution blobs are mounted; a deleted manifest is gone, with its tag."""
    manifest = await push(one, Tag("1"))
    other = far.repository(RepositoryName(f"{one.name}/copy"))
    copied = await copy_image(one, Tag("1"), other, Tag("2"))
    assert (copied.mounted.count, copied.copied.count) == (2, 1)
    await other.delete_manifest(manifest.digest)
    with pytest.raises(ManifestUnknown):
        await other.manifest(Tag("2"))


async def test_referrers(far: Registry, one: RemoteRepository) -> None:
    """Signatures are kept under the fallback tag, for want of an API, and copied from there."""
    image = await push(one, Tag("1"))
    signature = await push(one, None, subject=image.descriptor.to_json())
    assert [found.digest for found in await one.referrers(image.digest)] == [signature.digest]
    other = far.repository(RepositoryName(f"{one.name}/copy"))
    await copy_image(one, Tag("1"), other, Tag("1"), options=Options(referrers=True))
    assert [found.digest for found in await other.referrers(image.digest)] == [signature.digest]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a docker-registry that wants a name and a password."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    hashed = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"me:{hashed}\n")
    port = free_port()
    file = docker_registry_config(folder, folder / "store", port)
    config = json.loads(file.read_text())
    config["auth"] = {"htpasswd": {"realm": "r", "path": str(folder / "htpasswd")}}
    file.write_text(json.dumps(config))
    argv = ["docker-registry", "serve", str(file)]
    program = Program(argv, folder / "log", clean_environment(folder), folder)
    program.wait_until(lambda: listens(port))
    try:
        yield f"127.0.0.1:{port}"
    finally:
        program.kill()


async def test_password(guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `docker login` everything works; before, and with another password, nothing does."""
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {guarded: {"auth": "bWU6czNjcmV0"}}})
    )
    for keyring in (Only(None), Only(Credentials("me", "wr0ng"))):
        async with Registry(guarded, credentials=keyring) as registry:
            with pytest.raises(Unauthorized, match=f"docker login {guarded}"):
                await registry.ping()
            with pytest.raises(Unauthorized):
                await push(registry.repository(RepositoryName("a")), Tag("1"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    async with Registry(guarded) as registry:
        assert await registry.ping() == f"http://{guarded}"
        manifest = await push(registry.repository(RepositoryName("a")), Tag("1"))
        assert await registry.repository(RepositoryName("a")).manifest(Tag("1")) == manifest

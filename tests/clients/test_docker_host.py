"""A Docker daemon that is elsewhere, told as Docker's own client is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.certificates import ensure_ca
from tests.server.commands.conftest import lreg_of
from tests.support.certificates import client_files
from tests.support.daemons import Docker
from tests.support.images import hello
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.registries import Running


class Remote:
    """A dockerd that speaks TLS, and only with those that have a certificate of its CA's.

    Attributes:
        url: where.
        certificates: the folder of what its clients need.
    """

    def __init__(self, folder: Path) -> None:
        authority = ensure_ca(folder / "ca")
        cert, key = authority.issue(["127.0.0.1"])
        self.url = f"tcp://127.0.0.1:{free_port()}"
        trust = ("--tlsverify", f"--tlscacert={authority.path}")
        own = (f"--tlscert={cert}", f"--tlskey={key}")
        self._docker = Docker(folder / "d", f"--host={self.url}", *trust, *own)
        self.certificates = client_files(authority, folder / "client")
        self.cli = self._docker.cli
        self.close = self._docker.close


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """The daemon."""
    made = Remote(tmp_path_factory.mktemp("remote"))
    try:
        yield made
    finally:
        made.close()


def there_and_back(registry: Running, lreg: Lreg, repository: str) -> None:
    """Bring an image to the daemon that this lreg is told of, and upload it from there."""
    made = hello(f"{registry.url} {repository}")
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    lreg.run("pull", "--to=docker", f"{repository}:v1")
    lreg.run("upload", "--from=docker", f"{repository}:v1", "--as", f"{repository}/back:v1")
    with registry.wire() as wire:
        manifest = wire.manifest(f"{repository}/back", "v1").json()
    assert manifest["config"]["digest"] == made.blobs[0].digest


@pytest.mark.client("docker")
def test_tls(registry: Running, remote: Remote, tmp_path: Path, repository: str) -> None:
    """The variables of Docker's client for TLS mean the same here."""
    told = {"DOCKER_HOST": remote.url, "DOCKER_TLS_VERIFY": "1"}
    lreg = lreg_of(registry, tmp_path, DOCKER_CERT_PATH=str(remote.certificates), **told)
    there_and_back(registry, lreg, repository)
    # Its certificates are looked for in its configuration's folder else.
    lreg = lreg_of(registry, tmp_path, DOCKER_CONFIG=str(remote.certificates), **told)
    lreg.run("upload", "--from=docker", f"{repository}:v1")


@pytest.mark.client("docker")
def test_context(registry: Running, remote: Remote, tmp_path: Path, repository: str) -> None:
    """So does the context in use, as `docker context` made it."""
    pem = {kind: remote.certificates / f"{kind}.pem" for kind in ("ca", "cert", "key")}
    place = ",".join([f"host={remote.url}", *(f"{kind}={file}" for kind, file in pem.items())])
    folder, context = str(remote.cli.home / ".docker"), repository.replace("/", "-")
    remote.cli("context", "create", context, "--docker", place)
    lreg = lreg_of(registry, tmp_path, DOCKER_CONFIG=folder, DOCKER_CONTEXT=context)
    there_and_back(registry, lreg, repository)
    remote.cli.with_environment(DOCKER_HOST="")("context", "use", context)
    lreg = lreg_of(registry, tmp_path, DOCKER_CONFIG=folder)
    lreg.run("upload", "--from=docker", f"{repository}:v1")


@pytest.mark.client("docker")
def test_what_is_missing(remote: Remote, registry: Running, tmp_path: Path) -> None:
    """Who lacks something to speak with the daemon is told what."""

    def said(**env: str) -> str:
        lreg = lreg_of(registry, tmp_path, **env)
        return lreg.fail(1, "upload", "--from=docker", "some/image:1")

    assert "set DOCKER_TLS_VERIFY=1" in said(DOCKER_HOST=remote.url)
    told = {"DOCKER_HOST": remote.url, "DOCKER_TLS_VERIFY": "1"}
    told["DOCKER_CERT_PATH"] = str(tmp_path)
    assert "certificate verify failed" in said(**told)
    (tmp_path / "ca.pem").write_bytes((remote.certificates / "ca.pem").read_bytes())
    assert f"cert.pem and key.pem are those in {tmp_path}" in said(**told)
    (tmp_path / "cert.pem").write_text("none")
    assert "can't be used" in said(**told)


def test_what_is_not_spoken(registry: Running, tmp_path: Path) -> None:
    """A way to a daemon that lreg does not go is said so, and how to get there all the same."""

    def said(**env: str) -> str:
        lreg = lreg_of(registry, tmp_path, **env)
        return lreg.fail(1, "upload", "--from=docker", "some/image:1")

    by_ssh = said(DOCKER_HOST="ssh://someone@far")
    assert "ssh://someone@far" in by_ssh
    assert "DOCKER_HOST=unix:///tmp/docker.sock" in by_ssh
    assert "only unix://PATH and tcp://HOST:PORT" in said(DOCKER_HOST="npipe:////./pipe/docker")
    assert "`docker context ls`" in said(DOCKER_CONTEXT="gone")

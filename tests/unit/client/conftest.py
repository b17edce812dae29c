"""A scripted registry, and a client in a hurry."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from lreg.certificates import CertificateAuthority, ensure_ca
from lreg.client.credentials import Only
from lreg.client.patience import Patience
from lreg.client.registry import Registry
from lreg.oci.reference import RepositoryName
from tests.fakes.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.client.repository import RemoteRepository

HASTE = Patience(connect=2, stall=0.8, commit=8, attempts=3, backoff=0.01, longest=2)
NAME = "library/alpine"


@pytest.fixture(autouse=True)
def _no_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's user, proxies and credentials out of every test."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted registry that answers."""
    async with Upstream() as made:
        yield made


@pytest.fixture
async def far(upstream: Upstream) -> AsyncIterator[Registry]:
    """An anonymous client of the scripted registry, in a hurry."""
    async with Registry(upstream.host, credentials=Only(None), patience=HASTE) as registry:
        yield registry


@pytest.fixture
def alpine(far: Registry) -> RemoteRepository:
    """The repository library/alpine there."""
    return far.repository(RepositoryName.parse(NAME))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A private CA, in no system's store."""
    return ensure_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def server_tls(authority: CertificateAuthority) -> ssl.SSLContext:
    """What a server at 127.0.0.1 with a certificate of that CA speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(["127.0.0.1"]))
    return context


@pytest.fixture
async def secure(server_tls: ssl.SSLContext) -> AsyncIterator[Upstream]:
    """A scripted registry that speaks TLS."""
    async with Upstream(tls=server_tls) as made:
        yield made


@pytest.fixture(params=["plain", "tls"])
def scheme(request: pytest.FixtureRequest) -> str:
    """How the registry is spoken to."""
    return str(request.param)


@pytest.fixture
async def far_end(scheme: str, server_tls: ssl.SSLContext) -> AsyncIterator[Upstream]:
    """A registry over plain HTTP, which threads receive, or over TLS."""
    async with Upstream(tls=server_tls if scheme == "tls" else None) as made:
        yield made


@pytest.fixture
async def near_end(
    far_end: Upstream, scheme: str, authority: CertificateAuthority
) -> AsyncIterator[Registry]:
    """An anonymous client of it, in a hurry."""
    ca = authority.path if scheme == "tls" else None
    async with Registry(far_end.host, credentials=Only(None), patience=HASTE, ca=ca) as registry:
        yield registry


@pytest.fixture
def remote(near_end: Registry) -> RemoteRepository:
    """The repository library/alpine there."""
    return near_end.repository(RepositoryName.parse(NAME))

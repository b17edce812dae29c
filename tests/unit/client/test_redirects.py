"""Redirects: followed, and no token goes along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.client.connection import _refusal
from lreg.client.credentials import Credentials, Only
from lreg.client.registry import Registry
from lreg.errors import Denied
from tests.fakes.faults import Fault, Reply
from tests.fakes.tokens import Tokens
from tests.fakes.upstream import Upstream
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository

ME = Credentials("me", "s3cret")


def client(upstream: Upstream, credentials: Credentials | None = ME) -> Registry:
    return Registry(upstream.host, credentials=Only(credentials), patience=HASTE)


def alpine(registry: Registry, upstream: Upstream) -> RemoteRepository:
    return registry.repository(upstream.repository(NAME))


@pytest.fixture
def guarded(upstream: Upstream) -> Upstream:
    """A registry with one image that demands tokens; pulling needs no name."""
    upstream.tokens = Tokens(users={"me": "s3cret"}, refresh={"identity": "me"})
    upstream.put_image(NAME, "1", b"layer")
    return upstream


async def test_redirect(guarded: Upstream) -> None:
    """A blob that lies on another host is fetched there, its URL as signed, without our token."""
    blob = guarded.put_blob(NAME, b"far away")
    async with Upstream("127.0.0.2") as storage:
        storage.put_blob(NAME, b"far away")
        guarded.blobs_at = storage.url
        async with client(guarded) as registry:
            pieces = [piece async for piece in alpine(registry, guarded).blob(blob)]
    assert b"".join(pieces) == b"far away"
    (seen,) = storage.seen
    assert "authorization" not in seen.headers
    assert seen.target.endswith("?signature=a%2Fb")


async def test_redirect_to_another_port(guarded: Upstream) -> None:
    """Another port is another server: our token does not go there either."""
    blob = guarded.put_blob(NAME, b"far away")
    async with Upstream() as storage:
        storage.put_blob(NAME, b"far away")
        guarded.blobs_at = storage.url
        async with client(guarded) as registry:
            assert [piece async for piece in alpine(registry, guarded).blob(blob)]
    assert "authorization" not in storage.seen[0].headers


async def test_redirects_in_a_ring(upstream: Upstream, far: Registry) -> None:
    """Redirects without end are given up."""
    blob = upstream.put_blob(NAME, b"nowhere")
    upstream.blobs_at = upstream.url
    with pytest.raises(Exception, match="307"):
        _ = [piece async for piece in alpine(far, upstream).blob(blob)]
    assert len(upstream.requests("GET", "/blobs/")) == 6


async def test_redirect_out_of_tls(secure: Upstream, upstream: Upstream) -> None:
    """A registry with TLS can't send us on without it."""
    blob = secure.put_blob(NAME, b"far away")
    secure.blobs_at = upstream.url
    async with Registry(
        secure.host, insecure=True, credentials=Only(None), patience=HASTE
    ) as registry:
        with pytest.raises(Denied, match="without TLS"):
            _ = [piece async for piece in alpine(registry, secure).blob(blob)]
    assert not upstream.seen


@pytest.mark.parametrize(
    ("registry", "to", "allowed"),
    [
        ("https://a.example", "https://storage.example/x", True),
        ("http://a.example", "http://10.0.0.7:9000/x", True),
        ("http://127.0.0.1:5000", "http://127.0.0.2:9000/x", True),
        ("https://a.example", "http://a.example/x", False),
        ("http://a.example", "http://127.0.0.1:5000/lreg/v1/pulls", False),
        ("http://10.0.0.7:5000", "http://localhost:8080/x", False),
        ("http://10.0.0.7:5000", "http://[::1]:8080/x", False),
        ("http://10.0.0.7:5000", "http://[::ffff:127.0.0.1]:8080/x", False),
        ("http://10.0.0.7:5000", "http://169.254.169.254/latest/meta-data", False),
        ("https://a.example", "https://[fe80::1]/x", False),
    ],
)
def test_where_to(registry: str, to: str, allowed: bool) -> None:
    """A registry elsewhere can't send us on to this machine, nor to what only it can reach."""
    assert (_refusal(registry, to) == "") is allowed


async def test_upload_elsewhere(guarded: Upstream) -> None:
    """An upload whose URL is on another host gets the bytes, and not our token."""
    blob = guarded.put_blob("x", b"x")
    async with Upstream("127.0.0.2") as storage:
        elsewhere = {"Location": f"{storage.url}/v2/{NAME}/blobs/uploads/1?state=a%3Db"}
        async with client(guarded) as registry:
            await registry.ping()
            guarded.script.add("POST", "/uploads/", Fault(reply=Reply(202, b"", elsewhere)))
            await alpine(registry, guarded).push_blob(blob, b"x")
    assert storage.seen[0].body == b"x"
    assert "authorization" not in storage.seen[0].headers

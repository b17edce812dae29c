"""A registry that is reached otherwise than its name says, and what is heard of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from lreg.client.credentials import Credentials, Only
from lreg.client.registry import Registry
from lreg.client.wire import Route
from lreg.errors import BlobUnknown, LregError, TooManyRequests, Unavailable, UsageError
from lreg.oci.reference import RepositoryName, Tag
from tests.fakes.faults import Fault, Reply
from tests.fakes.tokens import Tokens
from tests.fakes.upstream import Upstream
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.certificates import CertificateAuthority
    from lreg.client.credentials import Keyring
    from lreg.client.repository import RemoteRepository

VIA = {"Via": "1.1 here"}


def client(route: Route, keyring: Keyring | None = None, host: str = "r.example") -> Registry:
    return Registry(host, credentials=keyring or Only(None), patience=HASTE, route=route)


def alpine(registry: Registry) -> RemoteRepository:
    return registry.repository(RepositoryName.parse(NAME))


class Asked:
    """A keyring that notes for which host it is asked."""

    def __init__(self) -> None:
        self.hosts: list[str] = []

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return the key."""
        del repository
        self.hosts.append(host)
        return Credentials("me", "s3cret")


async def test_address(upstream: Upstream) -> None:
    """An upstream is dialled at its address; credentials and messages go by its name."""
    upstream.tokens = Tokens(users={"me": "s3cret"})
    upstream.put_image(NAME, "1")
    keyring = Asked()
    async with client(Route(address=upstream.url), keyring) as registry:
        assert registry.host == "r.example"
        assert await registry.ping() == upstream.url
        await alpine(registry).manifest(Tag("1"))
        with pytest.raises(LregError, match=r"library/alpine:2: r\.example says 404"):
            await alpine(registry).manifest(Tag("2"))
    assert set(keyring.hosts) == {"r.example"}
    assert {seen.headers["host"] for seen in upstream.seen} == {upstream.host}


async def test_address_of_docker_hub(secure: Upstream, authority: CertificateAuthority) -> None:
    """Docker Hub's mirror is verified under the name that is dialled."""
    route = Route(address=secure.host)
    async with Registry(
        "docker.io", ca=authority.path, credentials=Only(None), patience=HASTE, route=route
    ) as registry:
        assert registry.host == "docker.io"
        assert await registry.ping() == secure.url


async def test_nothing_listens_there() -> None:
    """Where nothing listens at an address the route says what to do about that."""
    async with Upstream() as gone:
        pass
    async with client(Route(gone.url, absent="ask ann")) as registry:
        with pytest.raises(Unavailable, match=rf"nothing listens on {gone.host}: ask ann$"):
            await registry.ping()


async def test_headers_and_observer(upstream: Upstream) -> None:
    """What a route adds goes with every request to the registry, and to nobody else."""
    heard: list[tuple[int, str | None]] = []

    def observe(status: int, headers: Mapping[str, str]) -> None:
        heard.append((status, headers.get("ratelimit-remaining")))

    upstream.tokens = Tokens()
    upstream.more_headers = {"RateLimit-Remaining": "98;w=21600"}
    upstream.put_image(NAME, "1")
    blob = upstream.put_blob(NAME, b"far away")
    async with Upstream("127.0.0.2") as storage, Upstream("127.0.0.3") as realm:
        storage.put_blob(NAME, b"far away")
        realm.tokens = upstream.tokens
        upstream.blobs_at, upstream.realm = storage.url, f"{realm.url}/token"
        async with client(Route(upstream.url, headers=VIA, observe=observe)) as registry:
            await alpine(registry).resolve(Tag("1"))
            async with alpine(registry).read_blob(blob.digest, 0):
                pass
    assert {seen.headers.get("via") for seen in upstream.seen} == {"1.1 here"}
    assert not any("via" in seen.headers for seen in (*storage.seen, *realm.seen))
    assert heard == [(401, None), (200, "98;w=21600"), (307, None)]


async def test_proxy_of_its_own(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is named counts for more than the environment's, and so does none."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = "http://registry.example:81"
    async with client(Route(proxy=f"http://me:s3cret@{upstream.host}"), host=url) as registry:
        assert await registry.ping() == url
    assert upstream.seen[0].headers["proxy-authorization"] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in repr(Route(proxy="http://me:s3cret@p"))
    async with client(Route(proxy="none"), host="http://nosuch.invalid") as registry:
        with pytest.raises(Unavailable, match="not a known host name"):
            await registry.ping()
    async with client(Route(proxy="socks5://p:1"), host=url) as registry:
        with pytest.raises(UsageError, match="only http:// proxies"):
            await registry.ping()


async def test_asked_to_wait(upstream: Upstream, far: Registry) -> None:
    """How many seconds a registry asks to wait is passed on, where it makes sense."""
    for said, passed_on in [("3600", "3600"), ("soon", None), ("9" * 90, "9" * 9)]:
        upstream.script.clear()
        fault = Fault(reply=Reply(429, b"", {"Retry-After": said}))
        upstream.script.add("GET", "/manifests/", fault, times=9)
        with pytest.raises(TooManyRequests) as refused:
            await alpine(far).manifest(Tag("1"))
        assert refused.value.headers.get("Retry-After") == passed_on


async def test_out_of_reach_for_all(upstream: Upstream) -> None:
    """Many that ask a registry which says nothing wait as long as one, and all hear why."""
    upstream.script.add("GET", "/v2/", Fault(delay=60), times=99)
    begin = time.monotonic()
    async with client(Route(upstream.url)) as registry:
        asking = (alpine(registry).manifest(Tag("1")) for _ in range(5))
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert all("nothing came in time" in str(answer) for answer in answers)
    assert time.monotonic() - begin < 3 * HASTE.attempts * HASTE.stall
    assert len(upstream.seen) == HASTE.attempts
    upstream.script.clear()
    async with client(Route(upstream.url)) as registry:
        upstream.script.add("GET", "/v2/", Fault(delay=60))
        leaving = asyncio.create_task(registry.ping())
        await asyncio.sleep(0.05)
        leaving.cancel()


async def test_refusals_keep_the_connection(upstream: Upstream, far: Registry) -> None:
    """What is not there is no reason to connect anew."""
    absent = upstream.put_blob("x", b"elsewhere").digest
    for _ in range(5):
        with pytest.raises(BlobUnknown):
            async with alpine(far).read_blob(absent, 0):
                pass
    assert upstream.links == 1

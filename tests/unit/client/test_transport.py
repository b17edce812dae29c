"""Connections: patience, TLS, proxies, sockets, and sentences that say what to do."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from lreg.client.credentials import Only
from lreg.client.patience import Patience, retry_after
from lreg.client.registry import Registry
from lreg.client.wire import is_loopback, origin
from lreg.errors import LregError, TooManyRequests, TransferBroken, Unavailable, UsageError
from tests.fakes.faults import Fault, Reply
from tests.fakes.upstream import Upstream
from tests.support.processes import in_time
from tests.unit.client.conftest import HASTE, NAME
from tests.unit.client.sinks import descriptors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


TAGS = f"/v2/{NAME}/tags/list"


def client(host: str, **more: object) -> Registry:
    return Registry(host, credentials=Only(None), patience=HASTE, **more)  # type: ignore[arg-type]


async def ping(host: str, **more: object) -> str:
    async with client(host, **more) as registry:
        return await registry.ping()


async def tags(registry: Registry, upstream: Upstream) -> list[str]:
    repository = registry.repository(upstream.repository(NAME))
    return [str(tag) async for tag in repository.tags()]


async def test_nothing_listens() -> None:
    """A registry that is not running is said at once, with what to do."""
    async with Upstream() as gone:
        pass
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"nothing listens on .*`lreg start`.*LOCAL_REGISTRY"):
        await ping(gone.host)
    assert time.monotonic() - began < 10


async def test_unknown_host() -> None:
    """A host that no DNS knows is said to be that."""
    with pytest.raises(Unavailable, match=r"nosuch\.invalid is not a known host name"):
        await ping("nosuch.invalid")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), (" 0 ", 0.0), ("soon", None), (None, None), ("-1", None), ("²", None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Retry-After is read where it makes sense."""
    assert retry_after(header) == seconds


def test_retry_after_a_date() -> None:
    """Retry-After may be a date; one that is over means now."""
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after(format_datetime(later, usegmt=True)) == pytest.approx(30, abs=2)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_retry_after_by_another_clock() -> None:
    """A date in Retry-After is one of the registry's clock: its Date says how that goes."""
    asked = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert retry_after(asked, "Wed, 21 Oct 2015 07:27:30 GMT") == 30
    assert retry_after(asked, "Thu, 22 Oct 2015 07:28:00 GMT") == 0
    assert retry_after(asked, "no date") == 0


def test_pauses_grow() -> None:
    """Pauses double up to the longest, each of them jittered downward by half at most."""
    patience = Patience(backoff=1, longest=5)
    for attempt, full in [(1, 1), (2, 2), (3, 4), (4, 5), (40, 5)]:
        assert full / 2 <= patience.pause(attempt) <= full


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_later(upstream: Upstream, far: Registry, status: int) -> None:
    """An answer that means "later" is waited out, as long as it asks for."""
    await far.ping()
    fault = Fault(reply=Reply(status, headers={"Retry-After": "1"}))
    upstream.script.add("GET", TAGS, fault)
    began = time.monotonic()
    assert await tags(far, upstream) == []
    assert 1 <= time.monotonic() - began < 20


async def test_much_later(upstream: Upstream, far: Registry) -> None:
    """A Retry-After beyond patience is not waited for, but said."""
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}'
    fault = Fault(reply=Reply(429, body, {"Retry-After": "3600"}))
    upstream.script.add("GET", TAGS, fault, times=99)
    with pytest.raises(TooManyRequests, match=r"pull rate limit.*3600 s"):
        await tags(far, upstream)
    assert len(upstream.requests("GET", TAGS)) == 1


async def test_hung_up(upstream: Upstream, far: Registry) -> None:
    """A connection that is closed instead of an answer is tried again, so often and no more."""
    upstream.script.add("GET", TAGS, Fault(hang_up=True), times=2)
    assert await tags(far, upstream) == []
    upstream.script.add("GET", TAGS, Fault(hang_up=True), times=99)
    with pytest.raises(TransferBroken, match="try again"):
        await tags(far, upstream)


async def test_silence(upstream: Upstream, far: Registry) -> None:
    """A registry that takes the request and says nothing does not hold anybody up."""
    upstream.script.add("GET", TAGS, Fault(delay=60), times=99)
    with pytest.raises(TransferBroken, match="nothing came in time"):
        await tags(far, upstream)


async def test_slow_commit(upstream: Upstream, far: Registry) -> None:
    """A registry may take its time over a whole upload; only silence before that is a stall."""
    blob = upstream.put_blob("other", b"slow")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"slow"

    upstream.script.add("PUT", "/uploads/", Fault(delay=3 * HASTE.stall))
    alpine = far.repository(upstream.repository(NAME))
    await alpine.push_blob(blob, pieces())
    assert await alpine.has_blob(blob.digest)


async def test_connections_are_kept(upstream: Upstream, far: Registry) -> None:
    """One connection serves one request after another."""
    blob = upstream.put_blob(NAME, bytes(1 << 20))
    alpine = far.repository(upstream.repository(NAME))
    for _ in range(3):
        await tags(far, upstream)
        assert [piece async for piece in alpine.blob(blob)]
        await alpine.push_blob(blob, alpine.blob(blob))
    # A push reads on one connection what it writes on another.
    assert {seen.link for seen in upstream.seen} == {0, 1}


async def test_few_connections_are_kept(upstream: Upstream, far: Registry) -> None:
    """After a crowd some connections are kept; those that the registry closed are closed here."""
    before = descriptors()
    upstream.script.add("GET", TAGS, Fault(delay=0.2), times=20)
    await asyncio.gather(*(tags(far, upstream) for _ in range(20)))
    assert upstream.links > 10
    # This process has both ends.
    await in_time(lambda: descriptors() <= before + 2 * 8)
    async with Upstream("127.0.0.2") as storage:
        blob = upstream.put_blob(NAME, b"far away")
        storage.put_blob(NAME, b"far away")
        upstream.blobs_at = storage.url
        async with far.repository(upstream.repository(NAME)).read_blob(blob.digest, 0):
            pass
        kept = descriptors()
    await asyncio.sleep(0.1)
    await tags(far, upstream)
    await in_time(lambda: descriptors() <= kept - 2)


async def test_idle_connection_closed(upstream: Upstream, far: Registry) -> None:
    """A registry that restarts while nothing is asked is noticed by nobody."""
    await tags(far, upstream)
    await upstream.__aexit__()
    await upstream.__aenter__()
    assert await tags(far, upstream) == []
    await upstream.__aexit__()
    async with upstream:
        assert await tags(far, upstream) == []


async def test_not_http() -> None:
    """Something else on that port is said to be that."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransferBroken, match="does not answer in HTTP"):
            await ping(f"http://127.0.0.1:{port}")


async def test_unix_socket(tmp_path: Path) -> None:
    """A registry behind a Unix socket is one like any other."""

    class OnSocket(Upstream):
        async def __aenter__(self) -> OnSocket:
            path = tmp_path / "s"
            self._server = await asyncio.start_unix_server(self._connected, path)
            return self

    async with OnSocket() as upstream:
        upstream.put_image(NAME, "1")
        async with client(f"unix:{tmp_path}/s") as registry:
            assert await tags(registry, upstream) == ["1"]


@pytest.mark.parametrize(
    "text", ["", "http://", "ftp://a", "a/b", "user@a", "https://a/v2", "a:port", "[::1", "a b"]
)
async def test_not_a_registry(text: str) -> None:
    """What can't be an address is refused before anything is dialled."""
    with pytest.raises(UsageError, match="is not a registry"):
        await ping(text)


def test_origins() -> None:
    """Two URLs have one origin where scheme, host and port are the same."""
    assert (
        origin("https://A.example/x") == origin("https://a.example:443") == "https://a.example:443"
    )
    assert origin("http://[::1]:80/") == "http://[::1]:80" != origin("https://[::1]:80/")
    assert [is_loopback(host) for host in ("127.8.8.8", "::1", "localhost", "a.localhost")] == [
        True
    ] * 4
    assert not any(is_loopback(host) for host in ("10.0.0.1", "localhost.example", ""))


def test_errors_have_exit_codes() -> None:
    """A failure to reach a registry is told apart from a bad command by its exit code."""
    assert {Unavailable.exit_code, TransferBroken.exit_code} == {6}
    assert issubclass(Unavailable, LregError)

"""Whatever a registry answers, what comes of it is an error that we know, and soon."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from lreg.client.answers import next_page
from lreg.client.challenges import parse_challenges
from lreg.client.credentials import Only
from lreg.client.registry import Registry
from lreg.client.wire import Headers
from lreg.errors import Denied, LregError, ManifestUnknown
from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName, Tag
from tests.fakes.faults import Fault, Reply
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream

LONG = "a" * 40_000
HEADERS = [
    {"Content-Length": "9" * 5000},
    {"Content-Length": "-1"},
    {"Content-Length": "1, 2"},
    {"Transfer-Encoding": "gzip"},
    {"Transfer-Encoding": "chunked"},
    {"Docker-Content-Digest": "sha256:x"},
    {"Docker-Content-Digest": LONG},
    {"Content-Type": LONG},
    {"Content-Type": "\xff\xfe"},
    {"Bad Name": "x"},
    {"X": "a\x00b"},
    {"X": "a" * 100_000},
]
LOCATIONS = [
    "http://[",
    "http://[::1",
    "http://a:99999999/",
    "http://a:0/",
    "http://",
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "gopher:x",
    "http://a b/",
    "http://" + "a" * 70 + "/",
    "http://" + "a." * 200 + "/",
    "http://\xe4\xff/",
    "http://\xad.example/",
    "//",
    "?" + LONG,
]
CHALLENGES = [
    "Bearer " + " " * 60_000 + "(",
    "Bearer realm=" + '"\\' * 30_000,
    'Bearer realm="http://["',
    'Bearer realm="https://a:99999/"',
    'Bearer realm="//"',
    "Bearer",
    ", ," * 20_000,
    "=" * 60_000,
    'Bearer realm="http://127.0.0.1:1/",scope="' + "x " * 20_000 + '"',
]


async def everything(repository: RemoteRepository) -> list[BaseException | None]:
    """Ask for one of everything; return what came of it."""

    async def blob() -> None:
        async with repository.read_blob(Digest.of(b"x"), 0) as body:
            await body.pump(lambda _: None)

    async def tags() -> None:
        _ = [tag async for tag in repository.tags()]

    async def push() -> None:
        await repository.push_blob((await repository.resolve(Tag("1"))), b"x")

    outcomes: list[BaseException | None] = []
    for ask in (
        lambda: repository.resolve(Tag("1")),
        lambda: repository.manifest(Tag("1")),
        lambda: repository.referrers(Digest.of(b"x")),
        blob,
        tags,
        push,
    ):
        try:
            await ask()
            outcomes.append(None)
        except LregError as error:
            assert len(str(error)) < 2000
            outcomes.append(error)
    return outcomes


async def ask_all(upstream: Upstream, reply: Reply) -> list[BaseException | None]:
    async with Registry(upstream.host, credentials=Only(None), patience=HASTE) as registry:
        await registry.ping()
        upstream.script.add("", f"/v2/{NAME}/", Fault(reply=reply), times=99)
        begin = time.monotonic()
        outcomes = await everything(registry.repository(RepositoryName.parse(NAME)))
        assert time.monotonic() - begin < 30
        upstream.script.clear()
        assert await registry.ping()
    return outcomes


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("headers", HEADERS, ids=[next(iter(one)) for one in HEADERS])
async def test_headers(upstream: Upstream, status: int, headers: dict[str, str]) -> None:
    """Headers that are absurd, endless or not HTTP are an error."""
    assert any(await ask_all(upstream, Reply(status, b"x", headers)))


@pytest.mark.parametrize("location", LOCATIONS, ids=range(len(LOCATIONS)))
async def test_locations(upstream: Upstream, location: str) -> None:
    """A redirect to something that is no address is an error."""
    assert all(await ask_all(upstream, Reply(307, b"", {"Location": location})))


@pytest.mark.parametrize("location", LOCATIONS, ids=range(len(LOCATIONS)))
async def test_upload_locations(upstream: Upstream, location: str) -> None:
    """So is an upload that is to go there."""
    await ask_all(upstream, Reply(202, b"{}", {"Location": location}))


@pytest.mark.parametrize("link", LOCATIONS, ids=range(len(LOCATIONS)))
async def test_links(upstream: Upstream, link: str) -> None:
    """So is a next page there."""
    await ask_all(upstream, Reply(200, b'{"tags":[]}', {"Link": f'<{link}>; rel="next"'}))


@pytest.mark.parametrize("challenge", CHALLENGES, ids=range(len(CHALLENGES)))
async def test_challenges(upstream: Upstream, challenge: str) -> None:
    """A demand that can't be met is an error."""
    assert all(await ask_all(upstream, Reply(401, b"", {"WWW-Authenticate": challenge})))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[" * 100_000, b"{}", b'{"tags":5}', b'{"tags":{"a":1}}', b'{"tags":[[]]}'],
    ids=range(7),
)
@pytest.mark.parametrize("status", [200, 403])
async def test_bodies(upstream: Upstream, status: int, body: bytes) -> None:
    """Bodies that are not what was asked for are errors."""
    assert any(await ask_all(upstream, Reply(status, body)))


@pytest.mark.parametrize("size", [100, 70_000, 5_000_000])
async def test_long_refusals(upstream: Upstream, size: int) -> None:
    """A refusal with a page of any length is still that refusal."""
    outcomes = await ask_all(upstream, Reply(403, b"<" * size))
    assert all(isinstance(outcome, Denied) for outcome in outcomes)


async def test_broken_refusal(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A refusal whose words do not come to their end is still that refusal."""
    fault = Fault(reply=Reply(404, b"x" * 1000), cut_after=10)
    upstream.script.add("GET", "/manifests/", fault)
    with pytest.raises(ManifestUnknown):
        await alpine.manifest(Tag("1"))


async def raw(answer: bytes) -> LregError:
    """Return what comes of an answer that is written as it stands, again and again."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            while True:
                writer.write(answer)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Registry(host, credentials=Only(None), patience=HASTE) as registry:
            with pytest.raises(LregError) as error:
                await registry.ping()
            return error.value


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100,
        b"x: y\r\n" * 1000,
        b"a" * 10_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"\r\n\r\n" * 100,
        b"\x16\x03\x01\x02\x00",
    ],
    ids=range(6),
)
async def test_endless_heads(answer: bytes) -> None:
    """A head that does not end is given up: by its length, or with patience."""
    assert str(await raw(answer))


def test_nothing_takes_long() -> None:
    """Headers as long as they can be are read in no time."""
    began = time.thread_time()
    for text in (*CHALLENGES, 'a="\\"' * 13_000, "a =  " * 13_000, ("a" + " " * 99) * 650):
        parse_challenges(text)
    for text in (
        "<>;" * 21_000,
        "<" * 65_000,
        "<a>;" + " rel" * 16_000,
        "<a>; rel=" + " " * 65_000,
    ):
        next_page({"Link": text})
    assert len(Headers([(b"a", b"")] * 50_000)["A"]) == 99_998
    assert time.thread_time() - began < 2

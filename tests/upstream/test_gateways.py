"""What answers in an upstream's place: portals, proxies, gateways, token servers."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.tokens import Tokens
from tests.support.downloads import download
from tests.support.images import hello, noise, sha256
from tests.support.processes import eventually

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start

MIB = 1 << 20
DATA = noise(2 * MIB, "gateways")
PAGE = b"<html>Please log in to this wireless network</html>"
ASKED_ALWAYS = """
prefetch = false
tag-ttl = "0s"
upstream-stall = "1s"
upstream-patience = "4s"
"""
TOKENS = {
    "page": Reply(200, PAGE),
    "endless-life": Reply(200, b'{"token": "t", "expires_in": 1' + b"0" * 400 + b"}"),
    "no-life": Reply(200, b'{"token": "t", "expires_in": NaN}'),
    "deep": Reply(200, b"[" * 100_000),
    "refused": Reply(403, PAGE),
}


@pytest.fixture
def path(hub: Upstream) -> str:
    """Where a mirror has the blob DATA of the hub."""
    return f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', DATA).digest}"


@pytest.mark.parametrize("status", [200, 302, 403, 404, 511])
def test_a_portal(start: Start, hub: Upstream, status: int) -> None:
    """A login page, whatever its status, says nothing of a tag: what is cached is served, stale."""
    made = hello("portal")
    hub.hold("some/app", made, "v1")
    with start({"docker.io": hub.url}, settings=ASKED_ALWAYS).wire() as wire:
        wire.pull("docker.io/some/app", "v1")
        headers = {"Content-Type": "text/html", "Location": "/login"}
        hub.script.add("", "/", Fault(reply=Reply(status, PAGE, headers)), ALWAYS)
        for _ in range(2):
            answer = wire.manifest("docker.io/some/app", "v1").expect(200)
            assert answer.body == made.manifest.data
            assert "stale" in answer.headers["warning"].lower()


def test_a_portal_in_the_middle_of_a_blob(start: Start, hub: Upstream, path: str) -> None:
    """A login page where the rest of a blob was asked for is no part of it: that is asked again."""
    hub.script.add("GET", "/blobs/", Fault(cut_after=MIB))
    hub.script.add("GET", "/blobs/", Fault(reply=Reply(200, PAGE)), 2)
    mirror = start({"docker.io": hub.url})
    assert download(mirror, path).digest == sha256(DATA)
    assert hub.sent == len(DATA) + 2 * len(PAGE)


def test_packed_on_the_way(start: Start, hub: Upstream, path: str) -> None:
    """A blob that a proxy packs though it was told not to is 502, and that said."""
    packed = Reply(200, gzip.compress(DATA), {"Content-Encoding": "gzip"})
    hub.script.add("GET", "/blobs/", Fault(reply=packed), ALWAYS)
    with start({"docker.io": hub.url}).wire() as wire:
        (error,) = wire.ask("GET", path).expect(502).json()["errors"]
        assert "packed (gzip)" in error["message"]


def test_a_circle(start: Start, hub: Upstream, path: str) -> None:
    """Redirects that lead back to themselves end in 502, and that is said."""
    hub.script.add("", "some/app/", Fault(reply=Reply(307, b"", {"Location": "?again"})), ALWAYS)
    with start({"docker.io": hub.url}).wire() as wire:
        for asked in (path, "/v2/docker.io/some/app/manifests/v1"):
            (error,) = wire.ask("GET", asked).expect(502).json()["errors"]
            assert "without an end" in error["message"]
    assert len(hub.seen) < 40


@pytest.mark.parametrize("reply", TOKENS.values(), ids=TOKENS.keys())
def test_no_tokens(start: Start, hub: Upstream, reply: Reply) -> None:
    """Where a token can't be had what is cached is served; what is not is refused."""
    hub.tokens = Tokens(life=1)
    made = hello("no tokens")
    hub.hold("some/app", made, "v1")
    with start({"docker.io": hub.url}, settings=ASKED_ALWAYS).wire() as wire:
        wire.pull("docker.io/some/app", "v1")
        hub.script.add("", "/token", Fault(reply=reply), ALWAYS)
        assert wire.manifest("docker.io/some/app", "v1").expect(200).body == made.manifest.data
        wire.manifest("docker.io/other/app", "v1").expect(403)


@pytest.mark.parametrize(("status", "told"), [(429, 429), (500, 502), (503, 502)])
def test_tokens_later(start: Start, hub: Upstream, status: int, told: int) -> None:
    """A token server that has enough, or is away, is told as such: a login would not help."""
    hub.tokens = Tokens()
    hub.hold("some/app", hello("later"), "v1")
    later = Reply(status, b"", {"Retry-After": "7"})
    hub.script.add("", "/token", Fault(reply=later), ALWAYS)
    with start({"docker.io": hub.url}).wire() as wire:
        answer = wire.manifest("docker.io/some/app", "v1").expect(told)
        assert "login" not in answer.json()["errors"][0]["message"]
        assert answer.headers.get("retry-after", "7") == "7"


def test_tokens_in_the_middle_of_a_blob(start: Start, hub: Upstream, path: str) -> None:
    """A token that ended while a blob came, and a token server that is away, break nothing off."""
    hub.tokens = Tokens(life=1)
    hub.script.add("GET", "/blobs/", Fault(cut_after=MIB, rate=1e6))
    mirror = start({"docker.io": hub.url})
    with ThreadPoolExecutor() as pool:
        done = pool.submit(download, mirror, path)
        eventually(lambda: hub.sent > MIB // 4)
        hub.tokens.issued.clear()
        hub.script.add("", "/token", Fault(reply=Reply(503)), 2)
        assert done.result().digest == sha256(DATA)
    assert hub.sent < 1.2 * len(DATA)


def test_at_once(start: Start, hub: Upstream, path: str) -> None:
    """An upstream that wants to be asked again at once for the rest is not hammered."""
    hub.script.add("GET", "/blobs/", Fault(cut_after=MIB))
    busy = Reply(429, b"", {"Retry-After": "0"})
    hub.script.add("GET", "/blobs/", Fault(reply=busy), ALWAYS)
    mirror = start({"docker.io": hub.url})
    done = download(mirror, path)
    assert done.got == MIB
    assert len(hub.requests("GET", "/blobs/")) < 40

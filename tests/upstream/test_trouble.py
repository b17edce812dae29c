"""Upstream fails: what is here is served and marked, what is not is told in upstream's words."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lreg.certificates import ensure_ca
from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.upstream import Upstream
from tests.support.certificates import ended_tls, good_tls
from tests.support.images import hello
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.support.mirrors import Start
    from tests.support.wire import Wire
    from tests.upstream.conftest import World

MADE = hello("trouble", 200_000)
ASK_ALWAYS = (
    'upstream-stall = "1s"\nupstream-patience = "2s"\nprefetch = false\n'
    '[[freshness]]\nmatch = "*"\nttl = "always"\n'
)
WORDS = b'{"errors":[{"code":"UNKNOWN","message":"the cellar is flooded"}]}'

FAULTS = {
    "500": Fault(reply=Reply(500, WORDS)),
    "503": Fault(reply=Reply(503, WORDS)),
    "429": Fault(reply=Reply(429, WORDS, {"Retry-After": "30"})),
    "401": Fault(reply=Reply(401, WORDS)),
    "403": Fault(reply=Reply(403, WORDS)),
    "hang-up": Fault(hang_up=True),
    "silence": Fault(delay=60),
    "html": Fault(reply=Reply(200, b"<html>", {"Content-Type": "text/html"})),
}


def is_stale(wire: Wire, name: str, tag: str = "v1") -> bool:
    """Pull all of MADE, which has to be there; return whether it was marked as stale."""
    answer = wire.manifest(name, tag).expect(200)
    assert answer.body == MADE.manifest.data
    assert wire.pull(name, tag) == MADE.manifest.digest
    return "warning" in answer.headers


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_stale_is_served(start: Start, hub: Upstream, fault: Fault) -> None:
    """Whatever goes wrong upstream, an image that is here is served, soon, with a Warning."""
    hub.hold("some/app", MADE, "v1")
    mirror = start({"docker.io": hub.url}, settings=ASK_ALWAYS)
    with mirror.wire() as wire:
        assert not is_stale(wire, "docker.io/some/app")
        hub.script.add("", "/v2/", fault, ALWAYS)
        begin = time.monotonic()
        assert is_stale(wire, "docker.io/some/app")
        assert time.monotonic() - begin < 20
        asked = len(hub.seen)
        assert is_stale(wire, "docker.io/some/app")
        assert len(hub.seen) == asked, "known trouble is not waited for again"


def test_stale_is_served_when_refused(start: Start, stage: Stage, hub: Upstream) -> None:
    """So it is when nobody listens there; once somebody does, the mark is gone."""
    hub.hold("some/app", MADE, "v1")
    mirror = start({"docker.io": hub.url}, settings=ASK_ALWAYS)
    with mirror.wire() as wire:
        is_stale(wire, "docker.io/some/app")
        stage.leave(hub)
        assert is_stale(wire, "docker.io/some/app")
        said = message(wire, "docker.io/some/other", 502)
        assert f"nothing listens on {hub.host}" in said
        assert "lreg.toml" in said
        assert "lreg start" not in said
    mirror.stop()
    assert "stale" in mirror.process.log
    stage.enter(hub)
    with start({"docker.io": hub.url}, settings=ASK_ALWAYS).wire() as wire:
        assert not is_stale(wire, "docker.io/some/app")


def test_stale_is_served_without_a_name(start: Start, hub: Upstream) -> None:
    """So it is where the upstream's name can't be resolved."""
    hub.hold("some/app", MADE, "v1")
    mirror = start({"docker.io": hub.url}, settings=ASK_ALWAYS)
    with mirror.wire() as wire:
        is_stale(wire, "docker.io/some/app")
    mirror.stop()
    nowhere = {"docker.io": "http://nowhere.invalid:5000"}  # RFC 6761: never resolves
    with start(nowhere, settings=ASK_ALWAYS).wire() as wire:
        assert is_stale(wire, "docker.io/some/app")
        assert "nowhere.invalid" in message(wire, "docker.io/some/other", 502)


@pytest.mark.parametrize("trouble", ["ended", "untrusted"])
def test_certificates(start: Start, stage: Stage, tmp_path: Path, trouble: str) -> None:
    """A certificate that has ended, or is not trusted, does not take away what is here."""
    authority = ensure_ca(tmp_path / "ca")
    address = "127.0.0.7"
    good = stage.enter(Upstream(address, good_tls(authority, address)))
    good.hold("some/app", MADE, "v1")
    table = {"address": good.url, "ca": str(authority.path)}
    mirror = start({"docker.io": table}, settings=ASK_ALWAYS)
    with mirror.wire() as wire:
        assert not is_stale(wire, "docker.io/some/app")
    mirror.stop()
    stage.leave(good)

    other = authority if trouble == "ended" else ensure_ca(tmp_path / "other")
    tls = ended_tls(authority, address) if trouble == "ended" else good_tls(other, address)
    bad = Upstream(address, tls)
    bad.port, bad.held = good.port, good.held
    stage.enter(bad)
    with start({"docker.io": table}, settings=ASK_ALWAYS).wire() as wire:
        assert is_stale(wire, "docker.io/some/app")
        assert "certificate" in message(wire, "docker.io/some/other", 502)
    assert not bad.seen
    stage.leave(bad)


def message(wire: Wire, name: str, *statuses: int) -> str:
    """Ask for an image that is not to be had; return what is said."""
    refused = wire.manifest(name, "v1").expect(*statuses)
    assert refused.headers["content-type"] == "application/json"
    said = refused.json()["errors"][0]["message"]
    assert isinstance(said, str)
    return said


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("500", 502),
        ("503", 502),
        ("429", 429),
        ("401", 403),
        ("403", 403),
        ("hang-up", 502),
        ("silence", 504),
        ("html", 502),
    ],
)
def test_cold_trouble(start: Start, hub: Upstream, fault: str, status: int) -> None:
    """An image that is not here is never 404 because upstream fails: the answer says why."""
    hub.script.add("", "/v2/some/", FAULTS[fault], ALWAYS)
    with start({"docker.io": hub.url}, settings=ASK_ALWAYS).wire() as wire:
        begin = time.monotonic()
        said = message(wire, "docker.io/some/app", status)
        assert "docker.io" in said
        if fault.isdigit():
            assert "the cellar is flooded" in said
        if fault != "html":
            wire.blob("docker.io/some/app", MADE.blobs[0].digest).expect(status)
        assert time.monotonic() - begin < 25


def test_too_many_requests(start: Start, hub: Upstream) -> None:
    """An upstream's 429 goes on with its Retry-After, and until then it is left alone."""
    hub.hold("some/app", MADE, "v1")
    refusal = Reply(429, WORDS, {"Retry-After": "3"})
    hub.script.add("", "/v2/some/", Fault(reply=refusal))
    with start({"docker.io": hub.url}).wire() as wire:
        begin = time.monotonic()
        for _ in range(3):
            refused = wire.manifest("docker.io/some/app", "v1").expect(429)
            assert 1 <= int(refused.headers["retry-after"]) <= 3
        assert len(hub.requests("GET", "some/app") + hub.requests("HEAD", "some/app")) == 1
        time.sleep(max(0, begin + 3.1 - time.monotonic()))
        assert wire.pull("docker.io/some/app", "v1") == MADE.manifest.digest


def test_absent_is_remembered(world: World, wire: Wire, repository: str) -> None:
    """Upstream's 404 is 404 here, and is not asked for again at once."""
    for _ in range(3):
        wire.manifest(f"docker.io/{repository}", "v1").expect(404)
    assert len([one for one in world.hub.seen if repository in one.target]) == 1
    world.hub.hold(repository, MADE, "v2")
    assert wire.pull(f"docker.io/{repository}", "v2") == MADE.manifest.digest


def test_one_repository_is_not_the_upstream(world: World, wire: Wire, repository: str) -> None:
    """That upstream refuses one repository says nothing of the others, nor of this registry."""
    world.hub.script.add("", f"{repository}/private", Fault(reply=Reply(401, WORDS)), ALWAYS)
    world.hub.hold(f"{repository}/public", MADE, "v1")
    refused = wire.manifest(f"docker.io/{repository}/private", "v1").expect(403)
    assert "www-authenticate" not in refused.headers
    assert wire.pull(f"docker.io/{repository}/public", "v1") == MADE.manifest.digest


def test_redirected_registry(start: Start, hub: Upstream, quay: Upstream) -> None:
    """A registry that sends everybody to another, as k8s.gcr.io does, is followed."""
    quay.hold("pause", MADE, "v1")
    hub.moved_to = quay.url
    with start({"k8s.gcr.io": hub.url}).wire() as wire:
        assert wire.pull("k8s.gcr.io/pause", "v1") == MADE.manifest.digest


def test_a_ring_of_registries(start: Start, hub: Upstream) -> None:
    """A registry that is its own upstream says so, instead of asking itself for ever."""
    mirror = start({"docker.io": hub.url})
    mirror.stop()
    with start({"docker.io": mirror.url}, port=mirror.port).wire() as wire:
        begin = time.monotonic()
        wire.manifest("docker.io/library/app", "v1").expect(404, 502, 508)
        assert time.monotonic() - begin < 20


def test_one_tries_for_all(start: Start, hub: Upstream) -> None:
    """However many ask for what is not here, an upstream out of reach is dialled once at a time.

    All hear why that fails. Else their look-ups are what the whole registry stands in line behind.
    """
    hub.hold("some/app", hello("one for all"), "v1")
    mirror = start({"docker.io": hub.url}, settings='upstream-stall = "20s"\n')
    hub.script.add("", "/", Fault(hang_up=True, delay=1), ALWAYS)
    with mirror.wire() as wire:
        wire.manifest("docker.io/some/app", "first").expect(502)
    before = len(hub.seen)

    def status(number: int) -> int:
        with mirror.wire() as wire:
            return wire.manifest("docker.io/some/app", f"v{number}").status

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(status, range(30))) == {502}
    assert len(hub.seen) - before < 40, "each for itself they are 60"
    hub.script.clear()
    eventually(lambda: status(1) == 200)

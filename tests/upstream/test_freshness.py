"""When a tag is believed, and when upstream is asked whether it has moved."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.support.clients import Client
from tests.support.images import image, noise, sha256

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.images import Image
    from tests.support.mirrors import Start
    from tests.support.registries import Running

RULES = """
prefetch = false
upstream-stall = "10s"
[[freshness]]
match = "docker.io/always/*"
ttl = "always"
[[freshness]]
match = "docker.io/frozen/*:v1"
ttl = "immutable"
[[freshness]]
match = "docker.io/frozen/*"
ttl = "1s"
[[freshness]]
match = "docker.io/offline/*"
ttl = "offline"
[[freshness]]
match = "docker.io/*:short"
ttl = "1s"
"""
BASE = {"base": noise(200_000, "base")}


def version(number: int) -> Image:
    """Return one of several images that share their first layer."""
    return image(BASE, {"version": noise(100_000, f"version {number}")})


@pytest.fixture
def mirror(start: Start, hub: Upstream) -> Running:
    """A registry with a rule for every kind of freshness."""
    return start({"docker.io": hub.url}, settings=RULES)


def asked(hub: Upstream, method: str, repository: str) -> int:
    """Return how often an upstream was asked about a repository's manifests."""
    return len(hub.requests(method, f"{repository}/manifests/"))


def pull(mirror: Running, repository: str, tag: str) -> str:
    """Pull everything of an image from docker.io and return its digest."""
    with mirror.wire() as wire:
        return wire.pull(f"docker.io/{repository}", tag)


def test_a_tag_that_moves(hub: Upstream, mirror: Running) -> None:
    """A tag that moved upstream is seen after its time with one HEAD; only what is new comes."""
    old, new = version(1), version(2)
    hub.hold("some/app", old, "short")
    assert pull(mirror, "some/app", "short") == old.manifest.digest
    hub.hold("some/app", new, "short")
    before = hub.sent, len(hub.seen)
    time.sleep(1.1)
    assert pull(mirror, "some/app", "short") == new.manifest.digest
    later = hub.seen[before[1] :]
    fetched = {one.path.rpartition("/")[2] for one in later if one.method == "GET"}
    assert [one.method for one in later].count("HEAD") == 1
    assert fetched - {"short", new.manifest.digest} == {
        each.digest for each in new.blobs if each not in old.blobs
    }
    new_bytes = sum(len(each.data) for each in new.blobs if each not in old.blobs)
    assert hub.sent - before[0] <= new_bytes + len(new.manifest.data)
    assert pull(mirror, "some/app", old.manifest.digest) == old.manifest.digest


def test_a_tag_that_stays(hub: Upstream, mirror: Running) -> None:
    """A tag that has not moved costs one HEAD each time that its time is over, and no pull."""
    hub.hold("some/app", version(1), "short")
    pull(mirror, "some/app", "short")
    gets, heads = len(hub.requests("GET")), asked(hub, "HEAD", "some/app")
    begin = time.monotonic()
    for _ in range(2):
        time.sleep(1.1)
        for _ in range(3):
            pull(mirror, "some/app", "short")
    assert 2 <= asked(hub, "HEAD", "some/app") - heads <= time.monotonic() - begin
    assert len(hub.requests("GET")) == gets


def test_five_minutes_by_default(hub: Upstream, mirror: Running) -> None:
    """Where no rule matches a tag is believed for `tag-ttl`."""
    hub.hold("some/app", version(1), "v1")
    pull(mirror, "some/app", "v1")
    seen = len(hub.seen)
    hub.hold("some/app", version(2), "v1")
    time.sleep(1.1)
    assert pull(mirror, "some/app", "v1") == version(1).manifest.digest
    assert len(hub.seen) == seen


def test_tag_ttl(start: Start, hub: Upstream) -> None:
    """`tag-ttl` says how long a tag is believed."""
    hub.hold("some/app", version(1), "v1")
    mirror = start({"docker.io": hub.url}, "--tag-ttl=500ms")
    pull(mirror, "some/app", "v1")
    hub.hold("some/app", version(2), "v1")
    time.sleep(0.6)
    assert pull(mirror, "some/app", "v1") == version(2).manifest.digest


def test_always(hub: Upstream, mirror: Running) -> None:
    """`always`: every pull asks by one HEAD, so that a new image is seen at once."""
    hub.hold("always/app", version(1), "v1")
    pull(mirror, "always/app", "v1")
    heads = asked(hub, "HEAD", "always/app")
    for number in range(1, 4):
        pull(mirror, "always/app", "v1")
        assert asked(hub, "HEAD", "always/app") == heads + number
    hub.hold("always/app", version(2), "v1")
    assert pull(mirror, "always/app", "v1") == version(2).manifest.digest


def test_immutable(hub: Upstream, mirror: Running) -> None:
    """`immutable`: once it is here upstream is never asked again; the first match decides."""
    hub.hold("frozen/app", version(1), "v1")
    hub.hold("frozen/app", version(1), "v2")
    for tag in ("v1", "v2"):
        pull(mirror, "frozen/app", tag)
        hub.hold("frozen/app", version(2), tag)
    seen = len(hub.seen)
    time.sleep(1.1)
    assert pull(mirror, "frozen/app", "v1") == version(1).manifest.digest
    assert len(hub.seen) == seen
    assert pull(mirror, "frozen/app", "v2") == version(2).manifest.digest


def test_offline(hub: Upstream, mirror: Running) -> None:
    """`offline`: upstream is not dialled at all; what was pushed is there."""
    hub.hold("offline/app", version(1), "v1")
    with mirror.wire() as wire:
        wire.manifest("docker.io/offline/app", "v1").expect(502)
        wire.push("docker.io/offline/app", version(2), "v2")
        assert wire.pull("docker.io/offline/app", "v2") == version(2).manifest.digest
    assert hub.links == 0


def test_one_question_for_all(hub: Upstream, mirror: Running) -> None:
    """However many ask for a tag at once, upstream is asked once, and all have the same answer."""
    hub.hold("always/app", version(1), "v1")
    pull(mirror, "always/app", "v1")
    hub.hold("always/app", version(2), "v1")
    heads = asked(hub, "HEAD", "always/app")
    hub.script.add("HEAD", "always/app", Fault(delay=2), ALWAYS)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: pull(mirror, "always/app", "v1"), range(8)))
    assert set(found) == {version(2).manifest.digest}
    assert asked(hub, "HEAD", "always/app") == heads + 1


def test_one_question_for_all_of_a_cold_tag(hub: Upstream, mirror: Running) -> None:
    """So it is for a tag that nobody had yet."""
    hub.hold("some/app", version(1), "v1")
    hub.script.add("", "app/manifests/v1", Fault(delay=0.3), ALWAYS)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: pull(mirror, "some/app", "v1"), range(8)))
    assert set(found) == {version(1).manifest.digest}
    assert asked(hub, "GET", "some/app") == 1
    assert asked(hub, "HEAD", "some/app") <= 1


def test_a_digest_is_never_asked_about(hub: Upstream, mirror: Running) -> None:
    """What was pulled by digest is what it is: upstream is never asked again, by any rule."""
    digest = hub.hold("always/app", version(1), "v1")
    for _ in range(3):
        assert pull(mirror, "always/app", digest) == digest
    assert asked(hub, "GET", "always/app") == 1
    assert asked(hub, "HEAD", "always/app") == 0


def test_a_failed_question_counts_for_a_while(hub: Upstream, mirror: Running) -> None:
    """While upstream fails it is not asked at every pull: those would wait for nothing."""
    hub.hold("some/app", version(1), "short")
    pull(mirror, "some/app", "short")
    hub.script.add("HEAD", "some/app", Fault(reply=Reply(500)), ALWAYS)
    time.sleep(1.1)
    heads = asked(hub, "HEAD", "some/app")
    for _ in range(5):
        assert pull(mirror, "some/app", "short") == version(1).manifest.digest
        time.sleep(0.3)
    assert (
        heads < asked(hub, "HEAD", "some/app") <= heads + 3
    )  # the one question may be tried again


def test_without_digest_header(hub: Upstream, mirror: Running) -> None:
    """An upstream that tells no digest by HEAD is asked by GET: a tag that moved is seen."""
    hub.digest_header = False
    hub.hold("some/app", version(1), "short")
    assert pull(mirror, "some/app", "short") == version(1).manifest.digest
    hub.hold("some/app", version(2), "short")
    time.sleep(1.1)
    assert pull(mirror, "some/app", "short") == version(2).manifest.digest


def test_deleted_upstream(hub: Upstream, mirror: Running, tmp_path: Path) -> None:
    """A tag that upstream deleted is 404 after its time, in words that say what is still here.

    Its digest can be pulled, `lreg ls` and `missing` tell that it is gone, and pinned it is served,
    marked as stale; when upstream has it again, it is as any other. What is immutable stays.
    """
    lreg = Client(tmp_path, sys.executable, "-m", "lreg", LOCAL_REGISTRY=mirror.host)
    for name in ("always/app", "frozen/app"):
        hub.hold(name, version(1), "v1")
        pull(mirror, name, "v1")
        del hub.held[name].tags["v1"]
    digest, name = version(1).manifest.digest, "docker.io/always/app:v1"
    frozen, at = "docker.io/frozen/app:v1", f"docker.io/always/app@{digest}"
    lock = tmp_path / "images.lock"
    fields = {"name": "docker.io/always/app", "tag": "v1", "digest": digest}
    lock.write_text(json.dumps({"image": [fields]}))
    with mirror.wire() as wire:
        refused = wire.manifest("docker.io/always/app", "v1").expect(404)
        said = refused.json()["errors"][0]["message"]
        assert digest in said
        assert f"`lreg pin {name}`" in said
        assert wire.pull("docker.io/always/app", digest) == digest
        assert wire.pull("docker.io/frozen/app", "v1") == digest
        listed = lreg("ls", "docker.io/always/").out
        assert listed == f"{name}  cached, gone upstream\n"
        assert json.loads(lreg("ls", "docker.io/always/", "--json").out)[0]["images"][0]["gone"]
        said = f"{name}@{digest}  gone upstream: `lreg pin {name}` keeps it\n"
        kept = lreg.attempt("missing", "--lock", str(lock))
        assert (kept.code, kept.out) == (1, said)
        assert [lreg.attempt("has", each).code for each in (name, frozen, at)] == [1, 0, 0]
        lreg("pin", name)
        assert [lreg.attempt("has", each).code for each in (name, frozen, at)] == [0, 0, 0]
        assert lreg("missing", "--lock", str(lock)).out == ""
        for _ in ("asked", "remembered"):
            assert wire.pull("docker.io/always/app", "v1") == digest
            assert "warning" in wire.manifest("docker.io/always/app", "v1").headers
        assert lreg("ls", "docker.io/always/").out == f"{name}  cached, gone upstream, pinned\n"
        lreg("unpin", name)
        wire.manifest("docker.io/always/app", "v1").expect(404)
        hub.hold("always/app", version(2), "v1")
        lreg("refresh", name)
        assert wire.pull("docker.io/always/app", "v1") == version(2).manifest.digest
        assert "warning" not in wire.manifest("docker.io/always/app", "v1").headers
    assert lreg("ls", "docker.io/always/").out == f"{name}  cached\n"
    assert f"tag.gone image={name}" in mirror.process.log


def test_conditional_pulls(hub: Upstream, mirror: Running) -> None:
    """A client that has the manifest is told so by 304, a moved tag by 200."""
    hub.hold("always/app", version(1), "v1")
    with mirror.wire() as wire:
        path = "/v2/docker.io/always/app/manifests/v1"
        etag = wire.ask("GET", path).expect(200).headers["etag"]
        wire.ask("GET", path, headers={"If-None-Match": etag}).expect(304)
        hub.hold("always/app", version(2), "v1")
        moved = wire.ask("GET", path, headers={"If-None-Match": etag}).expect(200)
        assert sha256(moved.body) == version(2).manifest.digest

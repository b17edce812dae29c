"""`lreg refresh`, `pin`, `unpin`, `evict`, `du` and `upstream`; and what is no lreg."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.server.commands.test_cache import blobs_sent, holds
from tests.support.images import hello
from tests.support.processes import Said, attempt, clean_environment
from tests.support.registries import Namespace, start_lreg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.server.commands.conftest import Lreg


def test_refresh(caching: Lreg, hub: Upstream, quay: Upstream, stage: Stage) -> None:
    """Cached tags are asked about now: what moved is named, and is what the tag means from then."""
    for name in ("a", "b"):
        hub.hold(f"library/{name}", hello(name), "1")
    quay.hold("org/c", hello("c"), "1")
    caching.run("cache", "a:1", "b:1", "quay.io/org/c:1")
    moved = hub.hold("library/a", hello("moved"), "1")
    assert caching.lines("refresh", "docker.io/*") == [
        "moved docker.io/library/a:1",
        "1 moved, 1 as before, 0 failed",
    ]
    with caching.registry.wire() as wire:
        assert wire.pull("docker.io/library/a", "1") == moved
    assert caching.lines("refresh", "b:1") == ["0 moved, 1 as before, 0 failed"]
    assert caching.json("refresh") == {"moved": [], "same": 3, "failed": []}
    stage.leave(quay)
    said = caching.attempt("refresh")
    assert said.code == 6
    assert said.out == "0 moved, 2 as before, 1 failed\n"
    assert said.err.startswith("lreg: quay.io/org/c:1: ")


def test_evict(caching: Lreg, hub: Upstream) -> None:
    """What is evicted is off the disk and comes again when asked for; nothing else goes along."""
    base = hello("base", 100_000)
    hub.hold("some/evicted", hello("evicted", 200_000), "1")
    hub.hold("some/also", base, "1")
    hub.hold("some/stays", base, "1")
    with caching.registry.wire() as wire:
        wire.push("mine/own", hello("own"), "1")
    caching.run("cache", "some/evicted:1", "some/also:1", "some/stays:1")
    lines = caching.lines("evict", "docker.io/some/[ae]*")
    assert lines[:2] == ["evicted docker.io/some/also:1", "evicted docker.io/some/evicted:1"]
    assert lines[2].startswith("19")
    assert lines[2].endswith(" KiB freed")
    assert not holds(caching, "docker.io/some/evicted", hello("evicted", 200_000))
    assert holds(caching, "docker.io/some/stays", base)
    assert "docker.io/some/evicted:1  cached" in caching.lines("ls", "docker.io/some/e")
    sent = blobs_sent(hub)
    with caching.registry.wire() as wire:
        wire.pull("mine/own", "1")
        wire.pull("docker.io/some/evicted", "1")
    assert blobs_sent(hub) > sent + 200_000


def test_pinned_stays(caching: Lreg, hub: Upstream) -> None:
    """A pinned image is not evicted, by nobody, until it is unpinned."""
    image = hello("pinned", 100_000)
    hub.hold("library/pinned", image, "1")
    caching.run("cache", "pinned:1")
    assert caching.lines("pin", "pinned:1") == ["pinned docker.io/library/pinned:1"]
    assert caching.lines("ls") == ["docker.io/library/pinned:1  cached, pinned"]
    assert caching.json("evict", "*") == {"images": [], "freed": 0}
    assert holds(caching, "docker.io/library/pinned", image)
    assert caching.json("unpin", "docker.io/*") == {"images": ["docker.io/library/pinned:1"]}
    assert caching.json("evict", "*")["freed"] > 100_000


def test_nothing_to_refresh(caching: Lreg) -> None:
    """An empty registry has nothing to ask about, which is no mistake."""
    assert caching.lines("refresh") == ["0 moved, 0 as before, 0 failed"]


@pytest.mark.parametrize("command", ["pin", "unpin", "evict", "refresh"])
def test_nothing_matches(caching: Lreg, command: str) -> None:
    """A pattern that no image matches is a mistake, exit code 4."""
    for pattern in ("nothing/*", "nothing", "not here:at all", "a@sha256:" + "0" * 64):
        caching.fail(4, command, pattern)


def test_du(caching: Lreg, hub: Upstream, quay: Upstream) -> None:
    """Bytes by origin, upstream and repository; shared ones are counted once in all."""
    shared, own = hello("shared", 1_000_000), hello("own", 2_000_000)
    hub.hold("some/app", shared, "1")
    quay.hold("some/app", shared, "1")
    with caching.registry.wire() as wire:
        wire.push("mine/own", own, "1")
    caching.run("cache", "some/app:1", "quay.io/some/app:1")
    sizes = [sum(len(blob.data) for blob in image.blobs) for image in (own, shared)]
    found = caching.json("du")
    assert (found["total"], found["evictable"]) == (sum(sizes), sizes[1])
    assert found["origins"] == [
        {"name": "pushed", "size": sizes[0], "shared": 0},
        {"name": "cached", "size": sizes[1], "shared": 0},
    ]
    shares = {one["name"]: (one["size"], one["shared"]) for one in found["upstreams"]}
    half = sizes[1], sizes[1]
    assert shares == {"": (sizes[0], 0), "docker.io": half, "quay.io": half}
    lines = caching.lines("du")
    assert lines[0] == "2.9 MiB in all"
    assert ["REPOSITORY", "SIZE", "SHARED"] in [line.split() for line in lines]
    assert ["mine/own", "1.9", "MiB", "0", "B"] in [line.split() for line in lines]


def test_upstreams(caching: Lreg, hub: Upstream, stage: Stage) -> None:
    """Each upstream's state, latency, quota and credentials; asked now with `check`."""
    hub.more_headers = {"RateLimit-Remaining": "76;w=21600", "RateLimit-Limit": "100;w=21600"}
    hub.hold("ratelimitpreview/test", hello("quota"), "latest")
    head, *lines = caching.lines("upstream", "ls")
    assert head.split() == ["UPSTREAM", "STATE", "LATENCY", "QUOTA", "CREDENTIALS"]
    assert len(lines) > 10
    hosts = {line.split()[0]: line.split()[1] for line in lines}
    assert (hosts["docker.io"], hosts["registry.k8s.io"]) == ("unknown", "unknown")
    (_, line) = caching.lines("upstream", "check", "index.docker.io")
    fields = line.split()
    assert fields[:2] == ["docker.io", "ok"]
    assert fields[3:8] == ["ms", "76", "of", "100", "anonymous"]
    assert len(hub.requests("GET", "manifests")) == 0
    stage.leave(hub)
    said = caching.attempt("upstream", "check", "docker.io", "--json")
    assert said.code == 6
    assert '"state": "unreachable"' in said.out
    assert "nowhere.example" in caching.fail(4, "upstream", "check", "nowhere.example")


def test_upstream_refuses(caching: Lreg, hub: Upstream) -> None:
    """An upstream that wants to be left alone is `refusing`, with its own words."""
    hub.script.add("", "/v2/", Fault(reply=Reply(429, b"", {"Retry-After": "600"})), ALWAYS)
    begin = time.monotonic()
    said = caching.attempt("upstream", "check", "docker.io")
    assert time.monotonic() - begin < 20
    assert said.code == 6
    assert "refusing" in said.out


@pytest.mark.client("docker-registry")
@pytest.mark.parametrize(
    "arguments",
    [
        ("refresh",),
        ("pin", "a"),
        ("unpin", "a"),
        ("evict", "a"),
        ("du",),
        ("pulled",),
        ("override", "a", "b"),
        ("override", "--undo", "b"),
        ("upstream", "ls"),
        ("upstream", "check"),
    ],
    ids="-".join,
)
def test_not_an_lreg(lreg_on_distribution: Lreg, arguments: tuple[str, ...]) -> None:
    """Beside another registry a command that needs an lreg says so in one line."""
    said = lreg_on_distribution.fail(1, *arguments)
    assert f"{lreg_on_distribution.registry.host} is not an lreg" in said
    assert "LOCAL_REGISTRY" in said


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("pin", b"", "no JSON object of this call"),
        ("pin", b"[]", "Expected `object`, got `array`"),
        ("cache", b"{}", "missing required field `images`"),
        ("cache", b'{"images": [{"image": 1}]}', "got `int` - at `$.images[0].image`"),
        ("cache", b'{"images": [], "jobs": 0}', "0 images at a time"),
        ("override", b'{"image": "a:1", "until": NaN}', "JSON is malformed"),
    ],
)
def test_malformed_call(lreg_here: Lreg, path: str, body: bytes, says: str) -> None:
    """What is no call of the API is refused with the reason, in the spec's form."""
    with lreg_here.registry.wire() as wire:
        answer = wire.ask("POST", f"/lreg/v1/{path}", body).expect(400)
        (error,) = answer.json()["errors"]
        assert says in error["message"]
        wire.ask("GET", "/lreg/v1/pulls?since=x").expect(400)
        wire.ask("GET", "/lreg/v1/other").expect(404)
        wire.ask("PUT", "/lreg/v1/pin", b"{}").expect(405)


@pytest.mark.client("namespaces")
def test_a_login_is_needed(namespace: Namespace, tmp_path: Path) -> None:
    """Where writing needs a login so does all that only lreg tells; `ls` then lists names alone.

    Over plain HTTP a login is shown with `--insecure` only; without one nothing has to be said.
    """
    before = start_lreg(tmp_path)
    with before.wire() as wire:
        wire.push("some/app", hello("login"), "v1")
    before.stop()
    running = start_lreg(tmp_path, network=namespace)
    (token,) = re.findall(r"shown only now: (\S+)", running.process.log)

    def lreg(*arguments: str) -> Said:
        env = clean_environment(tmp_path, LOCAL_REGISTRY=running.url)
        command = [*namespace.prefix, sys.executable, "-m", "lreg", *arguments]
        return attempt(*command, env=env, cwd=tmp_path)

    try:
        lock = tmp_path / "images.lock"
        lock.write_text("")
        said = lreg("ls")
        assert (said.code, said.out) == (0, "some/app:v1\n"), said
        assert said.err.count("\n") == 1
        assert "docker login" in said.err
        for asks in (
            ("du",),
            ("pulled",),
            ("upstream", "ls"),
            ("missing", "--lock", str(lock)),
            ("pin", "a"),
            ("evict", "*"),
            ("refresh", "a"),
            ("cache", "a"),
        ):
            said = lreg(*asks)
            assert (said.code, said.out, said.err.count("\n")) == (5, "", 1), said
            assert "docker login" in said.err
        login = base64.b64encode(f"lreg:{token}".encode()).decode()
        config = {"auths": {running.host: {"auth": login}}}
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker" / "config.json").write_text(json.dumps(config))
        said = lreg("ls")
        assert (said.code, said.out, said.err.count("\n")) == (5, "", 1), said
        assert "--insecure" in said.err
        assert lreg("pin", "a", "--insecure").code == 4
        said = lreg("ls", "--insecure")
        assert (said.code, said.err) == (0, "")
        assert said.out.split()[:2] == ["some/app:v1", "pushed,"]
        for asks in (("du",), ("pulled",), ("upstream", "ls")):
            assert lreg(*asks, "--insecure").code == 0
    finally:
        running.stop()

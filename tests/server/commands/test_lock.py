"""`lreg pulled`, `lreg missing` and lock files: what nodes pull, brought again elsewhere."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from lreg.oci.platform import Platform
from tests.server.commands.conftest import Lreg, mirroring
from tests.server.commands.test_cache import child
from tests.support.images import hello, multi_arch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream

HERE = Platform.here().architecture
AGENT = {"User-Agent": "containerd/2.0"}


@pytest.fixture
def second(hub: Upstream, quay: Upstream, tmp_path: Path) -> Iterator[Lreg]:
    """The command beside another lreg with the same internet, that has never pulled anything."""
    with mirroring(tmp_path / "second", hub, quay) as lreg:
        yield lreg


def node_pulls(lreg: Lreg, name: str, tag: str, digest: str, image: str = "") -> None:
    """Ask for an image as containerd does: HEAD by tag, GET by digest, one image of an index."""
    with lreg.registry.wire() as wire:
        for method, want in (("HEAD", tag), ("GET", digest), ("GET", image)):
            if want:
                path = f"/v2/{name}/manifests/{want}?ns=docker.io"
                wire.ask(method, path, headers=AGENT).expect(200)


def test_who_pulled_what(caching: Lreg, hub: Upstream) -> None:
    """Each image that a client pulled is one line: its address, the image, how often, its agent."""
    image = hello("pulled")
    digest = hub.hold("library/pulled", image, "1")
    node_pulls(caching, "library/pulled", "1", digest)
    caching.run("inspect", f"{caching.registry.host}/docker.io/library/pulled:1")
    caching.run("ls")
    head, line = caching.lines("pulled")
    assert head.split() == ["CLIENT", "IMAGE", "DIGEST", "TIMES", "LAST", "AGENT"]
    fields = line.split()
    assert fields[:3] == ["127.0.0.1", "docker.io/library/pulled:1", digest[:19]]
    assert (fields[3], fields[-1]) == ("1", AGENT["User-Agent"])
    (found,) = caching.json("pulled", "--since", "1h")
    assert found["namespace"] == "docker.io"
    assert found["digest"] == digest
    assert caching.lines("pulled", "--since", "0") == []


def test_by_plain_name(caching: Lreg, hub: Upstream) -> None:
    """Dockerd asks for a plain name: what it gets is upstream's, and is called so."""
    index, own, over = multi_arch("plain"), hello("own"), hello("over")
    digest = hub.hold("library/plain", index, "1")
    image = child(index, HERE).manifest.digest
    with caching.registry.wire() as wire:
        wire.push("library/own", own, "1")
        wire.push("docker.io/library/over", over, "1")
        for path in ("plain/manifests/1", f"plain/manifests/{image}", "own/manifests/1"):
            wire.ask("GET", f"/v2/library/{path}", headers=AGENT).expect(200)
        for _ in ("from disk", "from memory"):
            wire.ask("GET", "/v2/library/over/manifests/1", headers=AGENT).expect(200)
    found = {one["repository"]: one for one in caching.json("pulled")}
    assert {name: one["digest"] for name, one in found.items()} == {
        "docker.io/library/plain": digest,
        "library/own": own.manifest.digest,
        "docker.io/library/over": over.manifest.digest,
    }
    assert found["docker.io/library/plain"]["platforms"] == [f"linux/{HERE}"]


def test_lock_and_bring(
    caching: Lreg, second: Lreg, hub: Upstream, stage: Stage, tmp_path: Path
) -> None:
    """What one cluster pulled is brought to another, exactly: digests, tags and platforms.

    So it is after upstream has moved the tag; `missing` says what is not there, asking nobody.
    """
    index = multi_arch("locked")
    digest = hub.hold("library/locked", index, "1")
    node_pulls(caching, "library/locked", "1", digest, child(index, HERE).manifest.digest)
    file = tmp_path / "images.lock"
    caching.run("pulled", "--lock", str(file))
    (table,) = tomllib.loads(file.read_text())["image"]
    assert table == {
        "name": "docker.io/library/locked",
        "tag": "1",
        "digest": digest,
        "platforms": [f"linux/{HERE}"],
    }
    hub.hold("library/locked", hello("moved"), "1")
    asked = len(hub.seen)
    said = second.attempt("missing", "--lock", str(file))
    assert (said.code, said.err) == (1, "")
    assert said.out == f"docker.io/library/locked:1@{digest}  it is not here\n"
    assert len(hub.seen) == asked
    second.run("cache", "--lock", str(file))
    assert second.lines("missing", "--lock", str(file)) == []
    stage.leave(hub)
    with second.registry.wire() as wire:
        answer = wire.manifest("docker.io/library/locked", "1").expect(200)
        assert answer.headers["docker-content-digest"] == digest
        image = child(index, HERE)
        wire.pull("docker.io/library/locked", image.manifest.digest)


def test_missing_blob(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """An image of which a piece was evicted is missing, until it is brought again."""
    digest = hub.hold("library/part", hello("part"), "1")
    file = tmp_path / "images.json"
    caching.run("cache", "part:1")
    node_pulls(caching, "library/part", "1", digest)
    caching.run("pulled", "--lock", str(file))
    assert caching.lines("missing", "--lock", str(file)) == []
    caching.run("evict", "part:1")
    said = caching.attempt("missing", "--lock", str(file), "--json")
    assert said.code == 1
    assert "3 pieces are not here" in said.out
    caching.run("cache", "--lock", str(file))
    assert caching.json("missing", "--lock", str(file)) == []


@pytest.mark.parametrize("name", ["mine/own", "nowhere.example/own"])
def test_own_image_in_a_lock_file(caching: Lreg, second: Lreg, tmp_path: Path, name: str) -> None:
    """An image that no upstream has is in a lock file too: where it is missing, push it."""
    image = hello("own")
    file = tmp_path / "images.lock"
    with caching.registry.wire() as wire:
        wire.push(name, image, "1")
        wire.ask("GET", f"/v2/{name}/manifests/1", headers=AGENT).expect(200)
    caching.run("pulled", "--lock", str(file))
    assert caching.lines("missing", "--lock", str(file)) == []
    caching.run("cache", "--lock", str(file))
    said = second.attempt("cache", "--lock", str(file))
    assert said.code == 1
    assert "no upstream has it, so it has to be pushed" in said.err
    with second.registry.wire() as wire:
        wire.push(name, image, "1")
    assert second.lines("missing", "--lock", str(file)) == []


@pytest.mark.client("docker-registry")
def test_with_another_registry(
    caching: Lreg, lreg_on_distribution: Lreg, hub: Upstream, tmp_path: Path
) -> None:
    """A lock file is brought into a registry that is no lreg, too, and looked for there."""
    index = multi_arch("other")
    digest = hub.hold("lock/other", index, "1")
    file = tmp_path / "images.lock"
    # A registry that is no lreg knows no upstreams: the name says where to copy from.
    file.write_text(
        f'[[image]]\nname = "localhost.localhost/lock/other"\ntag = "1"\ndigest = "{digest}"\n'
    )
    lreg = lreg_on_distribution
    said = lreg.attempt("missing", "--lock", str(file))
    assert said.code == 1
    assert said.out.endswith("nothing of it is here\n")
    lreg.run("copy", f"{hub.host}/lock/other:1", "lock/other:1")
    assert lreg.lines("missing", "--lock", str(file)) == []
    lreg.run("copy", f"{hub.host}/lock/other:1", "lock/other:1", "--platform", "linux/arm64")
    said = lreg.attempt("missing", "--lock", str(file))
    assert f"the tag means sha256:{child(index, 'arm64').manifest.digest[7:19]}" in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pulled", "--since", "soon"), "--since: 'soon' is not a duration"),
        (("pulled", "--lock", "no/such/folder"), "no/such/folder can't be written"),
        (("missing",), "name files or folders, or a --lock FILE"),
        (("missing", "--lock", "no-such-file"), "no-such-file can't be read"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str) -> None:
    """A malformed command line, or file, is one line with exit code 2."""
    assert message in lreg_here.fail(2, *arguments)

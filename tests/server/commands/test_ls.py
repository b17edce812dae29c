"""`lreg ls` and `lreg tags`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.server.commands.conftest import Lreg, lreg_of
from tests.support.images import hello
from tests.support.processes import clean_environment
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.registries import Running
    from tests.support.wire import Wire


def listed(lreg: Lreg, *arguments: str) -> list[str]:
    """The first column of `lreg ls`."""
    return [line.split()[0] for line in lreg.lines("ls", *arguments)]


def test_ls_one_image_a_line(lreg: Lreg, wire: Wire, repository: str) -> None:
    """`lreg ls PREFIX` prints REPOSITORY:TAG for every tag below the prefix, sorted."""
    wire.push(f"{repository}/a", hello("a"), "2")
    wire.push(f"{repository}/a", hello("a"), "1")
    wire.push(f"{repository}/b", hello("b"), "latest")
    names = [f"{repository}/a:1", f"{repository}/a:2", f"{repository}/b:latest"]
    assert listed(lreg, f"{repository}/") == names
    assert listed(lreg, f"{repository}/b") == names[2:]
    assert set(names) <= set(listed(lreg))
    assert lreg.lines("ls", "nothing/has/this/name") == []


def test_ls_json(lreg: Lreg, wire: Wire, repository: str) -> None:
    """`lreg ls --json` prints a list of repositories with their tags, empty for none."""
    wire.push(repository, hello("x"), "1")
    (found,) = lreg.json("ls", repository)
    found.pop("images", None)
    assert found == {"repository": repository, "tags": ["1"]}
    assert lreg.json("ls", "nothing/has/this/name") == []


def test_ls_repository_without_tags(lreg: Lreg, wire: Wire, repository: str) -> None:
    """A repository that lost its last tag stands alone."""
    digest = wire.push(repository, hello("x"), "1")
    wire.ask("DELETE", f"/v2/{repository}/manifests/{digest}").expect(202)
    assert lreg.lines("ls", repository) == [repository]
    (found,) = lreg.json("ls", repository)
    found.pop("images", None)
    assert found == {"repository": repository, "tags": []}


def test_ls_many(lreg: Lreg, wire: Wire, repository: str) -> None:
    """More repositories than are asked about at a time are all listed, in order."""
    image = hello("x")
    names = [f"{repository}/{number:02}" for number in range(40)]
    for name in names:
        wire.push(name, image, "t")
    assert listed(lreg, repository) == [f"{name}:t" for name in names]


def test_ls_origins(caching: Lreg, hub: Upstream) -> None:
    """Of an lreg the second column says where a tag is from, and --json all that is known."""
    theirs, own = hello("theirs"), hello("own")
    for name in ("alpine", "busybox"):
        hub.hold(f"library/{name}", theirs, "1")
    with caching.registry.wire() as wire:
        for name in ("alpine", "busybox"):
            wire.pull(f"docker.io/library/{name}", "1")
        for name in ("docker.io/library/busybox", "quay.io/org/app", "library/alpine", "hello"):
            wire.push(name, own, "1")
    short = theirs.manifest.digest[:19]
    lines = [re.split(" {2,}", line) for line in caching.lines("ls")]
    assert lines == [
        ["docker.io/library/alpine:1", "cached"],
        ["docker.io/library/busybox:1", f"pushed over docker.io ({short})"],
        ["hello:1", "pushed"],
        ["library/alpine:1", "pushed, answers for docker.io"],
        ["quay.io/org/app:1", "pushed over quay.io"],
    ]
    (found,) = caching.json("ls", "docker.io/library/busybox")
    (image,) = found["images"]
    assert image.pop("checked") > 1.7e9
    assert image == {
        "tag": "1",
        "digest": own.manifest.digest,
        "origin": "pushed",
        "over": {"host": "docker.io", "digest": theirs.manifest.digest},
        "until": None,
        "pinned": False,
        "answers_for": [],
        "gone": False,
    }


def test_ls_two_hosts_could_mean_it(caching: Lreg, hub: Upstream, quay: Upstream) -> None:
    """A plain name that answers for two upstreams' images of that name says so."""
    hub.hold("org/app", hello("hub"), "1")
    quay.hold("org/app", hello("quay"), "1")
    quay.hold("org/app", hello("quay"), "2")
    with caching.registry.wire() as wire:
        for host in ("docker.io", "quay.io"):
            wire.pull(f"{host}/org/app", "1")
        wire.push("org/app", hello("own"), "1")
        wire.push("org/app", hello("own"), "2")
        wire.push("quay.io/org/app", hello("own"), "2")
    lines = [re.split(" {2,}", line) for line in caching.lines("ls", "org/app")]
    assert lines == [
        ["org/app:1", "pushed, answers for docker.io and quay.io"],
        ["org/app:2", "pushed, answers for docker.io"],
    ]


def test_ls_nothing_there(lreg_here: Lreg, tmp_path: Path) -> None:
    """Where no registry answers, one line says so and what to do, and the exit code is 6."""
    env = {**lreg_here.env, "LOCAL_REGISTRY": "127.0.0.1:1"}
    said = Lreg(lreg_here.registry, env, tmp_path).fail(6, "ls")
    assert "nothing listens on 127.0.0.1:1" in said
    assert "lreg start" in said


def test_ls_malformed_local_registry(lreg_here: Lreg, tmp_path: Path) -> None:
    """A LOCAL_REGISTRY that means nothing is said by name, with exit code 2."""
    env = {**lreg_here.env, "LOCAL_REGISTRY": "http://a/b"}
    assert "$LOCAL_REGISTRY" in Lreg(lreg_here.registry, env, tmp_path).fail(2, "ls")


@pytest.mark.alone
def test_ls_quick_on_an_empty_registry(tmp_path: Path) -> None:
    """`lreg ls` answers at once on an empty registry: nothing heavy is loaded for it."""
    running = start_lreg(tmp_path)
    try:
        lreg = lreg_of(running, tmp_path)
        took = []
        for _ in range(7):
            begin = time.monotonic()
            assert lreg.run("ls") == ""
            took.append(time.monotonic() - begin)
    finally:
        running.stop()
    # The bar is 0.3 s on an idle machine; a busy one still shows a heavy import.
    assert min(took) < 0.6, took


def test_tags(lreg: Lreg, wire: Wire, repository: str) -> None:
    """`lreg tags REPO` prints one tag a line, whether the host is named or not."""
    for tag in "b", "a", "1.0":
        wire.push(repository, hello("x"), tag)
    assert lreg.lines("tags", repository) == ["1.0", "a", "b"]
    assert lreg.lines("tags", f"{lreg.registry.host}/{repository}") == ["1.0", "a", "b"]
    assert lreg.json("tags", repository) == {"repository": repository, "tags": ["1.0", "a", "b"]}


def test_local_registry_elsewhere_over_tls(tls_server: Running, tmp_path: Path) -> None:
    """A LOCAL_REGISTRY with an authority of its own is trusted by --ca, or not at all."""
    with tls_server.wire() as wire:
        wire.push("tests/elsewhere", hello("x"), "1")
    env = clean_environment(tmp_path, LOCAL_REGISTRY=tls_server.url)
    lreg = Lreg(tls_server, env, tmp_path)
    assert "not trusted" in lreg.fail(6, "ls")
    for option in ("--ca", str(tls_server.ca)), ("--insecure",):
        assert listed(lreg, "tests/elsewhere", *option) == ["tests/elsewhere:1"]


def test_tls_found_at_once(lreg_here: Lreg, tls_server: Running) -> None:
    """A registry on this machine that speaks only TLS is found without waiting for plain HTTP."""
    begin = time.monotonic()
    assert "not trusted" in lreg_here.fail(6, "tags", f"{tls_server.host}/any")
    assert time.monotonic() - begin < 20


def test_tags_unknown_repository(lreg: Lreg) -> None:
    """A repository that is not there is an error with exit code 4."""
    assert "NAME_UNKNOWN" in lreg.fail(4, "tags", "not/there")


@pytest.mark.parametrize("name", ["hello:1", "hello@sha256:" + "0" * 64])
def test_tags_of_an_image(lreg_here: Lreg, name: str) -> None:
    """A name with a tag or a digest is not a repository: exit code 2."""
    assert "give the repository alone" in lreg_here.fail(2, "tags", name)


def test_malformed_name(lreg_here: Lreg) -> None:
    """A name that no registry takes is refused before any request, with exit code 2."""
    assert "not a repository name" in lreg_here.fail(2, "tags", "Upper/Case")

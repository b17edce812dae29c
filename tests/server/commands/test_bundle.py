"""`lreg bundle` between two lregs that have upstreams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lreg.oci.platform import Platform
from tests.server.commands.conftest import DISTRIBUTION, Lreg, lreg_of, mirroring
from tests.support.images import hello, multi_arch
from tests.support.mirrors import start_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream


@pytest.fixture
def site(hub: Upstream, quay: Upstream, tmp_path: Path) -> Iterator[Lreg]:
    """The command beside a second lreg, whose internet may be out of reach."""
    with mirroring(tmp_path / "site", hub, quay) as lreg:
        yield lreg


def bundled(lreg: Lreg, *names: str) -> str:
    """Return the file of a bundle of images."""
    lreg.run("bundle", "create", "-q", "-o", "site.bundle", *names)
    return str(lreg.home / "site.bundle")


def test_what_is_cached_stays_cached(
    caching: Lreg, site: Lreg, hub: Upstream, quay: Upstream, stage: Stage
) -> None:
    """At the site what was cached is cached, served while nobody can be asked, and then follows."""
    old, new, alpine = hello("old"), hello("new"), hello("alpine")
    quay.hold("org/app", old, "1")
    hub.hold("library/alpine", alpine, "3")
    with caching.registry.wire() as wire:
        for name in ("mine/own", "quay.io/org/own"):
            wire.push(name, hello(name), "1")
    names = ("quay.io/org/app:1", "alpine:3", "mine/own:1", "quay.io/org/own:1")
    bundle = bundled(caching, *names, "docker.io/library/alpine:3")
    stage.leave(hub)
    stage.leave(quay)
    loaded = site.json("bundle", "load", bundle)["images"]
    assert [image["origin"] for image in loaded] == ["cached", "cached", "pushed", "pushed"]
    origins = [line.replace(",", "").split()[:2] for line in site.lines("ls")]
    assert origins == [
        ["docker.io/library/alpine:3", "cached"],
        ["mine/own:1", "pushed"],
        ["quay.io/org/app:1", "cached"],
        ["quay.io/org/own:1", "pushed"],
    ]
    with site.registry.wire() as wire:
        assert wire.pull("quay.io/org/app", "1") == old.manifest.digest
        assert wire.pull("docker.io/library/alpine", "3") == alpine.manifest.digest
    stage.enter(quay)
    quay.hold("org/app", new, "1")
    site.run("refresh", "quay.io/org/app:1")
    with site.registry.wire() as wire:
        assert wire.pull("quay.io/org/app", "1") == new.manifest.digest


def test_own_version_stays_in_front(caching: Lreg, site: Lreg, quay: Upstream) -> None:
    """What the site has put in upstream's place a bundle does not replace, and says so."""
    theirs, own = hello("theirs"), hello("own")
    quay.hold("org/app", theirs, "1")
    with site.registry.wire() as wire:
        wire.push("quay.io/org/app", own, "1")
    said = site.attempt("bundle", "load", bundled(caching, "quay.io/org/app:1"))
    assert "stays the own version" in said.err
    with site.registry.wire() as wire:
        assert wire.pull("quay.io/org/app", "1") == own.manifest.digest
    # With the bundle's as what upstream has: undone, it is that.
    assert theirs.manifest.digest[7:19] in site.run("override", "--undo", "quay.io/org/app:1")


def test_loaded_once_more(caching: Lreg, site: Lreg, quay: Upstream) -> None:
    """A newer bundle moves what an older one brought; the older one again moves it back."""
    bundles = []
    for name in ("old", "new"):
        quay.hold("org/app", hello(name), "1")
        caching.attempt("refresh", "quay.io/org/app:1")
        caching.run("bundle", "create", "-q", "-o", name, "quay.io/org/app:1")
        bundles.append((str(caching.home / name), hello(name).manifest.digest))
    for bundle, digest in (*bundles, bundles[0]):
        (image,) = site.json("bundle", "load", bundle)["images"]
        assert (image["digest"], image["origin"]) == (digest, "cached")


@pytest.fixture
def corp(hub: Upstream, tmp_path: Path) -> Iterator[Lreg]:
    """The command beside an lreg with an upstream that others do not know."""
    (tmp_path / "corp").mkdir()
    running = start_mirror(tmp_path / "corp", {"registry.corp": hub.url})
    try:
        yield lreg_of(running, tmp_path)
    finally:
        running.stop()


@pytest.fixture(params=["server", DISTRIBUTION])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Lreg:
    """The command beside a registry that has no such upstream: an lreg, and registry:2."""
    return lreg_of(request.getfixturevalue(request.param), tmp_path)


def test_where_there_is_no_such_upstream(
    corp: Lreg, elsewhere: Lreg, hub: Upstream, repository: str
) -> None:
    """A registry that has no such upstream gets it as pushed: nothing else could serve it."""
    made = hello(repository)
    hub.hold(repository, made, "1")
    bundle = bundled(corp, f"registry.corp/{repository}:1")
    (image,) = elsewhere.json("bundle", "load", bundle)["images"]
    assert image["origin"] == "pushed"
    with elsewhere.registry.wire() as wire:
        assert wire.pull(f"registry.corp/{repository}", "1") == made.manifest.digest


def test_index_by_its_digest(
    caching: Lreg, site: Lreg, quay: Upstream, stage: Stage, tmp_path: Path
) -> None:
    """An index that is named by its digest is that at the site, with this machine's image."""
    made = multi_arch("locked")
    digest = made.manifest.digest
    quay.hold("org/app", made, "1")
    lock = tmp_path / "images.lock"
    lock.write_text(f'[[image]]\nname = "quay.io/org/app"\ntag = "1"\ndigest = "{digest}"\n')
    caching.run("bundle", "create", "-q", "-o", "b", "--lock", str(lock))
    stage.leave(quay)
    site.run("bundle", "load", str(caching.home / "b"))
    assert site.attempt("missing", "--lock", str(lock)).code == 0
    here = Platform.here().architecture
    (child,) = (each for each in made.images if each.architecture == here)
    with site.registry.wire() as wire:
        wire.manifest("quay.io/org/app", digest).expect(200)
        assert wire.manifest("quay.io/org/app", "1").json() == json.loads(made.manifest.data)
        assert wire.pull("quay.io/org/app", child.manifest.digest)


def test_json(caching: Lreg, site: Lreg, quay: Upstream) -> None:
    """`--json` says what went where, and how much of it was there: of a bundle, loaded twice."""
    made = multi_arch("both")
    quay.hold("org/app", made, "1")
    name = "quay.io/org/app:1"
    created = caching.json("bundle", "create", "-q", "-o", "b", "--all-platforms", name)
    size = sum(len(blob.data) for each in made.images for blob in each.blobs)
    manifests = [made.manifest, *(each.manifest for each in made.images)]
    everything = size + sum(len(each.data) for each in manifests)
    count = len(manifests) + sum(len(each.blobs) for each in made.images)
    (image,) = created["images"]
    assert image == {
        "source": f"{caching.registry.host}/{name}",
        "target": name,
        "digest": made.manifest.digest,
        "media_type": made.manifest.media_type,
        "origin": "cached",
    }
    assert created["copied"] == {"count": count, "size": everything}
    bundle = str(caching.home / "b")
    loaded = site.json("bundle", "load", bundle)
    assert loaded["images"] == [
        image | {"source": bundle, "target": f"{site.registry.host}/{name}"}
    ]
    assert loaded["copied"] == created["copied"]
    again = site.json("bundle", "load", bundle)
    assert again["already_there"] == {"count": count - len(manifests), "size": size}
    assert again["copied"]["count"] == len(manifests)
    assert again["seconds"] >= 0
    assert "--json" in caching.fail(2, "save", "-q", "-o", "-", "--json", name)

"""`lreg cache --referrers`: signatures come with the image, and stay with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.support.images import artifact, hello, multi_arch, noise, sha256
from tests.support.signed import (
    DIGEST,
    OWN,
    SBOM,
    SIGNATURE,
    SUBJECT,
    ask,
    descriptor,
    hold,
    listed,
    those,
)

if TYPE_CHECKING:
    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.server.commands.conftest import Lreg

STAMP = artifact(SIGNATURE.manifest, "test/stamp", noise(300_000, "stamp"))
NAME = "docker.io/some/app"


def test_without_internet(caching: Lreg, hub: Upstream, stage: Stage) -> None:
    """What refers to an image, and to that, comes along, and is served when upstream is gone."""
    hold(hub, "some/app", SIGNATURE, SBOM, STAMP)
    (line, _) = caching.lines("cache", "--referrers", "some/app:v1")
    assert line == f"{NAME}:v1@{DIGEST}  referrers: 3"
    stage.leave(hub)
    with caching.registry.wire() as wire:
        assert wire.pull(NAME, "v1") == DIGEST
        assert listed(ask(wire, NAME)) == those(SIGNATURE, SBOM)
        assert listed(ask(wire, NAME, digest=SIGNATURE.manifest.digest)) == those(STAMP)
        for one in (SIGNATURE, SBOM, STAMP):
            assert wire.pull(NAME, one.manifest.digest) == one.manifest.digest
    found = caching.json("cache", "--referrers", "some/app:v1")
    assert found["images"][0]["referrers"] == 3
    assert found["fetched"]["size"] == 0


def test_not_unasked(caching: Lreg, hub: Upstream) -> None:
    """Without the option upstream is not asked for them."""
    hold(hub, "some/app", SIGNATURE)
    assert caching.json("cache", "some/app:v1")["images"][0]["referrers"] is None
    assert hub.requests("GET", "/referrers/") == []


def test_none(caching: Lreg, hub: Upstream) -> None:
    """It is said of an image that nothing refers to it."""
    hold(hub, "some/app")
    assert caching.lines("cache", "--referrers", "some/app:v1")[0].endswith("  referrers: 0")


def test_of_an_index(caching: Lreg, hub: Upstream) -> None:
    """Those of the index and of its images that come are brought, those of others are not."""
    made = multi_arch("signed index")
    chosen, other = made.images[1], made.images[2]
    signed = [artifact(one.manifest, "test/s", b"s") for one in (made, chosen, other)]
    for tag, one in (("v1", made), ("", signed[0]), ("", signed[1]), ("", signed[2])):
        hub.hold("some/app", one, tag)
    caching.run("cache", "--referrers", "--platform=linux/arm64", "some/app:v1")
    got = {one.path.rpartition("/")[2] for one in hub.requests("GET", "/manifests/")}
    assert {one.manifest.digest for one in signed} & got == set(those(*signed[:2]))


def test_new_ones(caching: Lreg, hub: Upstream) -> None:
    """Upstream is asked anew each time, whatever is believed still; `lreg refresh` asks as well."""
    hold(hub, "some/app", SIGNATURE)
    caching.run("cache", "--referrers", "some/app:v1")
    hub.hold("some/app", SBOM)
    caching.run("cache", "--referrers", "some/app:v1")
    with caching.registry.wire() as wire:
        assert listed(ask(wire, NAME)) == those(SIGNATURE, SBOM)
        del hub.held["some/app"].manifests[SBOM.manifest.digest]
        assert listed(ask(wire, NAME)) == those(SIGNATURE, SBOM)
        caching.run("refresh", f"{NAME}:v1")
        assert listed(ask(wire, NAME)) == those(SIGNATURE)


def test_what_upstream_lists_and_lacks(caching: Lreg, hub: Upstream) -> None:
    """A signature that upstream lists but has not is no reason to have no image."""
    hub.referrers = False
    hold(hub, "some/app", SIGNATURE)
    found = [descriptor(SIGNATURE, "a/b"), {**descriptor(SBOM, "a/b"), "digest": sha256(b"none")}]
    fields = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found}
    hub.put_manifest("some/app", fields, DIGEST.replace(":", "-"))
    assert caching.lines("cache", "--referrers", "some/app:v1")[0].endswith("  referrers: 1")


def test_a_list_that_can_not_be_had(caching: Lreg, hub: Upstream) -> None:
    """Where upstream does not tell what there is, that is the image's failure."""
    hold(hub, "some/app", SIGNATURE)
    hub.script.add("GET", "/referrers/", Fault(reply=Reply(500)), ALWAYS)
    said = caching.fail(6, "cache", "--quiet", "--referrers", "some/app:v1")
    assert "the referrers of" in said


def test_without_end(caching: Lreg, hub: Upstream) -> None:
    """What signs one another in a circle comes once; endless chains of it are refused."""
    hold(hub, "some/app")
    last = SUBJECT.manifest
    for number in range(40):
        made = artifact(last, "test/chain", b"%d" % number)
        hub.hold("some/app", made)
        last = made.manifest
    assert "no end" in caching.fail(3, "cache", "-q", "--referrers", "some/app:v1")


def test_lock(caching: Lreg, hub: Upstream) -> None:
    """Those of the images of a lock file come as well."""
    hold(hub, "some/app", SIGNATURE)
    lock = caching.home / "images.lock"
    lock.write_text(f'[[image]]\nname = "{NAME}"\ntag = "v1"\ndigest = "{DIGEST}"\n')
    lines = caching.lines("cache", "--referrers", "--lock", str(lock))
    assert lines[0] == f"{NAME}:v1@{DIGEST}  referrers: 1"


def test_preload(caching: Lreg, hub: Upstream) -> None:
    """`lreg preload --referrers` asks for those of images that are here already, too."""
    hold(hub, "some/app", SIGNATURE)
    caching.run("cache", "some/app:v1")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod |= {"spec": {"containers": [{"name": "x", "image": "some/app:v1"}]}}
    (caching.home / "pod.json").write_text(json.dumps(pod))
    lines = caching.lines("preload", "--referrers", str(caching.home / "pod.json"))
    assert lines[0].endswith("  referrers: 1")


def test_du_and_evict(caching: Lreg, hub: Upstream, stage: Stage) -> None:
    """They count as cached content of the image: they go with it, and a pin keeps them."""
    hold(hub, "some/app", STAMP, SIGNATURE)
    other = hello("other", 100_000)
    hub.hold("some/app", other, "v2")
    caching.run("cache", "--referrers", "some/app:v1", "some/app:v2")
    blobs = {one.digest: one.data for made in (SUBJECT, SIGNATURE, STAMP) for one in made.blobs}
    caching.run("pin", f"{NAME}:v1")
    usage = caching.json("du")
    pinned = {one["name"]: one["size"] for one in usage["origins"]}["pinned"]
    assert pinned == sum(map(len, blobs.values()))
    caching.run("evict", "docker.io/*")
    stage.leave(hub)
    with caching.registry.wire() as wire:
        assert wire.pull(NAME, STAMP.manifest.digest)
        caching.run("unpin", f"{NAME}:v1")
        caching.run("evict", f"{NAME}:v1")
        for one in (SUBJECT, STAMP):
            wire.blob(NAME, one.blobs[-1].digest).expect(404, 502, 504)


@pytest.mark.client("docker-registry")
def test_into_another_registry(lreg_on_distribution: Lreg, hub: Upstream) -> None:
    """Into a registry that is no lreg they are copied, and listed as that registry's users do."""
    hold(hub, "signed/app", SIGNATURE, SBOM)
    name = f"{hub.host}/signed/app:v1"
    lines = lreg_on_distribution.lines("cache", "--referrers", name)
    assert lines[0] == f"{name}@{DIGEST}  referrers: 2"
    found = lreg_on_distribution.json("inspect", "signed/app:v1")["image"]["referrers"]
    assert sorted(one["digest"] for one in found) == those(SIGNATURE, SBOM)
    assert OWN.manifest.digest not in str(found)

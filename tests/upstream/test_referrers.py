"""What refers to a cached image: upstream's list of signatures, say, and what is pushed here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lreg.client.referrers import fallback_tag
from lreg.oci import mediatypes
from lreg.oci.digest import Digest
from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.upstream import Upstream, referrers_index
from tests.support.images import artifact, index, sha256
from tests.support.mirrors import start_mirror
from tests.support.signed import (
    DIGEST,
    OWN,
    RULES,
    SBOM,
    SIGNATURE,
    SUBJECT,
    ask,
    asked,
    descriptor,
    hold,
    listed,
    pull,
    those,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.stage import Stage
    from tests.support.registries import Running
    from tests.support.wire import Wire

LIST = {"Content-Type": mediatypes.OCI_INDEX}


@pytest.fixture(scope="module")
def hub(stage: Stage) -> Iterator[Upstream]:
    """A docker.io that answers, in which every test has names of its own."""
    made = stage.enter(Upstream("127.0.0.5"))
    yield made
    stage.leave(made)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory, hub: Upstream) -> Iterator[Running]:
    """A registry with a rule for every kind of freshness."""
    upstreams = {"docker.io": hub.url}
    running = start_mirror(tmp_path_factory.mktemp("referrers"), upstreams, settings=RULES)
    yield running
    running.stop()


@pytest.fixture
def wire(mirror: Running) -> Iterator[Wire]:
    """A connection to it."""
    with mirror.wire() as opened:
        yield opened


def test_upstreams(hub: Upstream, mirror: Running, wire: Wire, repository: str) -> None:
    """What upstream lists is listed here as it is there, and can be pulled by digest."""
    hold(hub, repository, SIGNATURE, SBOM)
    pull(mirror, repository)
    answer = ask(wire, f"docker.io/{repository}")
    assert listed(answer) == those(SIGNATURE, SBOM)
    assert "warning" not in answer.headers
    for one in answer.json()["manifests"]:
        assert one in [descriptor(SIGNATURE, "test/signature"), descriptor(SBOM, "test/sbom")]
        assert wire.pull(f"docker.io/{repository}", one["digest"]) == one["digest"]
    spoofed = ask(wire, repository, "?ns=docker.io")
    assert listed(spoofed) == those(SIGNATURE, SBOM)
    assert spoofed.headers["oci-namespace"] == "docker.io"
    assert asked(hub, repository) == 1


def test_of_what_is_not_here(hub: Upstream, wire: Wire, repository: str) -> None:
    """The list of an image that nobody pulled yet is upstream's, too; the image stays there."""
    hold(hub, repository, SIGNATURE)
    assert listed(ask(wire, f"docker.io/{repository}")) == those(SIGNATURE)
    assert listed(ask(wire, f"docker.io/{repository}", digest=sha256(b"none"))) == []
    assert listed(ask(wire, f"docker.io/{repository}/absent")) == []
    asked_for = [one.path.rpartition("/")[2] for one in hub.seen if repository in one.path]
    assert DIGEST in asked_for
    assert not {"v1", *(blob.digest for blob in SUBJECT.blobs)} & set(asked_for)


def test_own_beside_them(hub: Upstream, mirror: Running, wire: Wire, repository: str) -> None:
    """What was pushed here, under the full or the plain name, is listed too, and wins."""
    hold(hub, repository)
    body = referrers_index([descriptor(one, "test/theirs") for one in (SIGNATURE, OWN)])
    path = f"{repository}/referrers/"
    hub.script.add("GET", path, Fault(reply=Reply(200, body, LIST)), ALWAYS)
    pull(mirror, repository)
    wire.push(f"docker.io/{repository}", OWN)
    wire.push(repository, SBOM)
    answer = ask(wire, f"docker.io/{repository}")
    assert listed(answer) == those(SIGNATURE, OWN, SBOM)
    kinds = {one["digest"]: one["artifactType"] for one in answer.json()["manifests"]}
    assert kinds == {
        SIGNATURE.manifest.digest: "test/theirs",
        OWN.manifest.digest: "test/own",
        SBOM.manifest.digest: "test/sbom",
    }


def test_one_type(hub: Upstream, mirror: Running, wire: Wire, repository: str) -> None:
    """The filter is applied here, to one list of all types, and the answer says so."""
    hold(hub, repository, SIGNATURE, SBOM)
    pull(mirror, repository)
    for one, kind in ((SIGNATURE, "signature"), (SBOM, "sbom")):
        answer = ask(wire, f"docker.io/{repository}", f"?artifactType=test/{kind}")
        assert listed(answer) == those(one)
        assert answer.headers["oci-filters-applied"] == "artifactType"
    assert listed(ask(wire, f"docker.io/{repository}", "?artifactType=test/none")) == []
    assert asked(hub, repository) == 1


@pytest.mark.parametrize(
    ("kind", "again"), [("some", 0), ("frozen", 0), ("always", 1), ("lists", 1)]
)
def test_freshness(
    hub: Upstream, mirror: Running, wire: Wire, repository: str, kind: str, again: int
) -> None:
    """A list is believed as the tag of the spec's tag schema would be: by pattern, else tag-ttl."""
    name = f"{kind}/{repository}"
    hold(hub, name, SIGNATURE)
    pull(mirror, name)
    assert listed(ask(wire, f"docker.io/{name}")) == those(SIGNATURE)
    hub.hold(name, SBOM)
    both = those(SIGNATURE, SBOM) if again else those(SIGNATURE)
    assert listed(ask(wire, f"docker.io/{name}")) == both
    # Upstream took it back: what of it is here is no signature of upstream's any more.
    wire.pull(f"docker.io/{name}", SIGNATURE.manifest.digest)
    del hub.held[name].manifests[SIGNATURE.manifest.digest]
    assert listed(ask(wire, f"docker.io/{name}")) == those(SBOM if again else SIGNATURE)
    assert asked(hub, name) == 1 + 2 * again


def test_never_asked_for(hub: Upstream, wire: Wire, repository: str) -> None:
    """Where a pattern is offline, what is here is listed, marked, and upstream hears nothing."""
    name = f"docker.io/offline/{repository}"
    wire.push(name, SUBJECT, "v1")
    wire.push(name, OWN)
    answer = ask(wire, name)
    assert listed(answer) == those(OWN)
    assert "warning" in answer.headers
    assert asked(hub, f"offline/{repository}") == 0


def test_one_question_for_all(hub: Upstream, mirror: Running, repository: str) -> None:
    """However many ask for a list at once, upstream is asked once."""
    hold(hub, repository, SIGNATURE)
    pull(mirror, repository)
    hub.script.add("GET", f"{repository}/referrers/", Fault(delay=2), ALWAYS)

    def one(_: int) -> list[str]:
        with mirror.wire() as wire:
            return listed(ask(wire, f"docker.io/{repository}"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [those(SIGNATURE)] * 8
    assert asked(hub, repository) == 1


ABSENT = [
    *(pytest.param(Reply(status), id=str(status)) for status in (400, 404, 405, 406, 501)),
    pytest.param(Reply(200, b"<html>", {"Content-Type": "text/html"}), id="web page"),
]


@pytest.mark.parametrize("reply", ABSENT)
def test_tag_schema(
    hub: Upstream, mirror: Running, wire: Wire, repository: str, reply: Reply
) -> None:
    """An upstream without the API has the list under a tag, or has none.

    There clients keep it, and may have left some out: what came from there is listed as well.
    """
    name = f"always/{repository}"
    hub.script.add("GET", f"{name}/referrers/", Fault(reply=reply), ALWAYS)
    hold(hub, name, SIGNATURE, SBOM)
    pull(mirror, name)
    assert listed(ask(wire, f"docker.io/{name}")) == []
    found = [descriptor(SIGNATURE, "test/signature")]
    fields = {"mediaType": mediatypes.OCI_INDEX, "manifests": found}
    hub.put_manifest(name, fields, fallback_tag(Digest.parse(DIGEST)).text)
    assert listed(ask(wire, f"docker.io/{name}")) == those(SIGNATURE)
    wire.pull(f"docker.io/{name}", SBOM.manifest.digest)
    assert listed(ask(wire, f"docker.io/{name}")) == those(SIGNATURE, SBOM)


def test_pages(hub: Upstream, mirror: Running, wire: Wire, repository: str) -> None:
    """A list that comes in pages is whole here."""
    made = [artifact(SUBJECT.manifest, "test/page", b"%d" % number) for number in range(7)]
    hold(hub, repository, *made)
    hub.page = 3
    pull(mirror, repository)
    assert listed(ask(wire, f"docker.io/{repository}")) == those(*made)
    assert asked(hub, repository) == 3


def test_pages_elsewhere(hub: Upstream, quay: Upstream, wire: Wire, repository: str) -> None:
    """The next page is upstream's own: a link never makes this registry dial anybody else."""
    hold(hub, repository, SIGNATURE)
    link = f'<{quay.url}/v2/{repository}/referrers/{DIGEST}?start=0>; rel="next"'
    first = Reply(200, referrers_index([]), LIST | {"Link": link})
    hub.script.add("GET", f"{repository}/referrers/", Fault(reply=first))
    assert listed(ask(wire, f"docker.io/{repository}")) == those(SIGNATURE)
    assert (asked(hub, repository), quay.links) == (2, 0)


def test_plain_names(hub: Upstream, wire: Wire, repository: str) -> None:
    """A plain name lists the default upstream's; of an own image upstream hears nothing."""
    hold(hub, repository, SIGNATURE)
    assert wire.pull(repository, "v1") == DIGEST
    assert listed(ask(wire, repository)) == those(SIGNATURE)
    wire.push(f"{repository}/own", SUBJECT, "v1")
    wire.push(f"{repository}/own", OWN)
    assert listed(ask(wire, f"{repository}/own")) == those(OWN)
    assert not [one for one in hub.seen if f"{repository}/own" in one.target]
    # As an own version of upstream's image it is listed with its signature.
    assert listed(ask(wire, f"docker.io/{repository}/own")) == those(OWN)


def test_a_host_that_is_none(wire: Wire, repository: str) -> None:
    """Under a host that nothing is fetched from, what was pushed is listed, by either name."""
    ask(wire, f"other.example/{repository}").expect(404)
    wire.push(repository, SBOM)
    assert listed(ask(wire, f"other.example/{repository}")) == those(SBOM)
    wire.push(f"other.example/{repository}", OWN)
    assert listed(ask(wire, f"other.example/{repository}")) == those(OWN, SBOM)


def test_an_index_and_its_images(hub: Upstream, wire: Wire, repository: str) -> None:
    """The index and each of its images have lists of their own."""
    made = index(SUBJECT)
    whole = artifact(made.manifest, "test/signature", b"of all")
    for tag, one in (("v1", made), ("", whole), ("", SIGNATURE)):
        hub.hold(repository, one, tag)
    wire.pull(f"docker.io/{repository}", "v1")
    for _ in range(2):
        answer = ask(wire, f"docker.io/{repository}", digest=made.manifest.digest)
        assert listed(answer) == those(whole)
        assert listed(ask(wire, f"docker.io/{repository}")) == those(SIGNATURE)
    assert asked(hub, repository) == 2

"""Lists of signatures where upstream fails, refuses, lies or is never to be asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lreg.oci import mediatypes
from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.tokens import Tokens
from tests.fakes.upstream import referrers_index
from tests.support.images import sha256
from tests.support.signed import (
    OWN,
    RULES,
    SBOM,
    SIGNATURE,
    SUBJECT,
    ask,
    asked,
    hold,
    listed,
    pull,
    those,
)
from tests.support.wire import Wire

if TYPE_CHECKING:
    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.registries import Running


@pytest.fixture
def mirror(start: Start, hub: Upstream) -> Running:
    """A registry with a rule for every kind of freshness."""
    return start({"docker.io": hub.url}, settings=RULES)


def test_stale(stage: Stage, hub: Upstream, mirror: Running) -> None:
    """Where upstream fails the list from before is served, marked, and it is left alone a while."""
    hold(hub, "always/app", SIGNATURE)
    pull(mirror, "always/app")
    with mirror.wire() as wire:
        assert "age" not in ask(wire, "docker.io/always/app").headers
        hub.script.add("GET", "/referrers/", Fault(reply=Reply(500)), ALWAYS)
        before = asked(hub, "always/app")
        for _ in range(5):
            answer = ask(wire, "docker.io/always/app")
            assert listed(answer) == those(SIGNATURE)
            assert answer.headers["warning"].startswith("110 ")
            assert int(answer.headers["age"]) >= 0
        # The one question may be tried again.
        assert before < asked(hub, "always/app") <= before + 3
        stage.leave(hub)
        assert listed(ask(wire, "docker.io/always/app")) == those(SIGNATURE)
    assert "referrers.not_asked" in mirror.process.log


@pytest.mark.parametrize("status", [403, 429, 500])
def test_never_told(hub: Upstream, mirror: Running, status: int) -> None:
    """Where upstream fails and never told, an image that is here can be pulled all the same.

    The answer says that it is not upstream's. For an image that is not here upstream's error is the
    answer.
    """
    for name in ("some/app", "some/other"):
        hold(hub, name, SIGNATURE)
    pull(mirror, "some/app")
    hub.script.add("GET", "/referrers/", Fault(reply=Reply(status)), ALWAYS)
    with mirror.wire() as wire:
        for name in ("docker.io/some/app", "some/app"):
            answer = ask(wire, name)
            assert listed(answer) == []
            assert "warning" in answer.headers
        ask(wire, "docker.io/some/other").expect(403, 429, 502)


def test_told_later(hub: Upstream, mirror: Running) -> None:
    """As soon as upstream tells, so does this registry."""
    hold(hub, "some/app", SIGNATURE)
    pull(mirror, "some/app")
    hub.script.add("GET", "/referrers/", Fault(reply=Reply(403)), ALWAYS)
    with mirror.wire() as wire:
        assert listed(ask(wire, "docker.io/some/app")) == []
        hub.script.clear()
        assert listed(ask(wire, "docker.io/some/app")) == those(SIGNATURE)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_own_where_upstream_refuses(hub: Upstream, mirror: Running, status: int) -> None:
    """What is pushed is listed whatever upstream says; the signatures of an own image as well."""
    hub.script.add("GET", "/referrers/", Fault(reply=Reply(status)), ALWAYS)
    hold(hub, "some/app")
    pull(mirror, "some/app")
    with mirror.wire() as wire:
        wire.push("docker.io/own/app", SUBJECT, "v1")
        assert listed(ask(wire, "docker.io/own/app")) == []
        wire.push("docker.io/own/app", OWN)
        assert listed(ask(wire, "docker.io/own/app")) == those(OWN)
        assert listed(ask(wire, "docker.io/some/app")) == []
        wire.push("docker.io/some/app", OWN)
        answer = ask(wire, "docker.io/some/app")
        assert listed(answer) == those(OWN)
        assert "warning" in answer.headers


def test_offline(start: Start, hub: Upstream) -> None:
    """Offline what is known is the answer, over restarts; what was never asked is marked.

    Nobody is dialled.
    """
    mirror = start({"docker.io": hub.url}, settings=RULES)
    hold(hub, "always/app", SIGNATURE, SBOM)
    hold(hub, "some/app")
    for name in ("always/app", "some/app"):
        pull(mirror, name)
    with mirror.wire() as wire:
        assert listed(ask(wire, "docker.io/always/app")) == those(SIGNATURE, SBOM)
        wire.pull("docker.io/always/app", SIGNATURE.manifest.digest)
    mirror.stop()
    links = hub.links
    mirror = start({"docker.io": hub.url}, "--offline", settings=RULES)
    with mirror.wire() as wire:
        assert listed(ask(wire, "docker.io/always/app")) == those(SIGNATURE, SBOM)
        assert wire.pull("docker.io/always/app", SIGNATURE.manifest.digest)
        for name in ("docker.io/some/app", "docker.io/no/such", "some/app"):
            answer = ask(wire, name)
            assert listed(answer) == []
            assert "warning" in answer.headers
    assert hub.links == links


def descriptors(count: int, size: int) -> list[dict[str, object]]:
    """Return so many descriptors with annotations of so many bytes."""
    return [
        {
            "mediaType": mediatypes.OCI_MANIFEST,
            "digest": sha256(b"%d" % number),
            "size": 1,
            "annotations": {"x": "x" * size},
        }
        for number in range(count)
    ]


LONG = referrers_index(descriptors(100, 30_000))
WRONG = {
    "no JSON": (b"<", ""),
    "no list": (b'{"schemaVersion":2,"manifests":7}', ""),
    "no descriptors": (referrers_index([{"digest": "x"}]), ""),
    "no index": (b"[]", ""),
    "another type": (SIGNATURE.manifest.data, ""),
    "too large": (LONG + b" " * (4 << 20), ""),
    "too large in all": (LONG, '<?more>; rel="next"'),
    "without end": (referrers_index([]), '<?more>; rel="next"'),
    "to no address": (referrers_index([]), '<http://[>; rel="next"'),
}


def test_wrong(hub: Upstream, mirror: Running) -> None:
    """What is no list, or has no end, is upstream's failure; a list from before is served."""
    with mirror.wire() as wire:
        for number, (body, link) in enumerate(WRONG.values()):
            known, unknown = (f"{name}/wrong/{number}" for name in ("always", "some"))
            for name in (known, unknown):
                hold(hub, name, SIGNATURE)
                pull(mirror, name)
            assert listed(ask(wire, f"docker.io/{known}")) == those(SIGNATURE)
            headers = {"Content-Type": mediatypes.OCI_INDEX} | ({"Link": link} if link else {})
            hub.script.add("GET", "/referrers/", Fault(reply=Reply(200, body, headers)), ALWAYS)
            # A busy machine may not come to the end of what has none before its patience ends.
            for name, signatures in ((unknown, []), (known, those(SIGNATURE))):
                answer = ask(wire, f"docker.io/{name}")
                assert listed(answer) == signatures
                assert "warning" in answer.headers
            assert asked(hub, known) + asked(hub, unknown) <= 1 + 2 * 100
            hub.script.clear()


ENDLESS = Reply(
    200,
    referrers_index([]),
    {"Content-Type": mediatypes.OCI_INDEX, "Link": '<?more>; rel="next"'},
)
SLOW = {
    "stalls": Fault(stall_after=10),
    "trickles": Fault(rate=5),
    "one page after the other": Fault(reply=ENDLESS, delay=1),
}


@pytest.mark.parametrize("kind", SLOW)
def test_slow(start: Start, hub: Upstream, kind: str) -> None:
    """A list that does not come to its end is given up, and the one from before served."""
    mirror = start({"docker.io": hub.url}, settings=RULES.replace("10s", "3s"))
    hold(hub, "always/app", SIGNATURE)
    pull(mirror, "always/app")
    with Wire(mirror.url, timeout=120) as wire:
        assert listed(ask(wire, "docker.io/always/app")) == those(SIGNATURE)
        hub.script.add("GET", "/referrers/", SLOW[kind], ALWAYS)
        answer = ask(wire, "docker.io/always/app")
        assert listed(answer) == those(SIGNATURE)
        assert "warning" in answer.headers


def test_none_is_not_for_ever(start: Start, hub: Upstream) -> None:
    """Where lists are immutable, one that is empty is not: signatures come after images."""
    mirror = start({"docker.io": hub.url}, settings=f'tag-ttl = "1ms"\n{RULES}')
    hold(hub, "frozen/app")
    pull(mirror, "frozen/app")
    with mirror.wire() as wire:
        assert listed(ask(wire, "docker.io/frozen/app")) == []
        hub.hold("frozen/app", SIGNATURE)
        time.sleep(0.05)
        assert listed(ask(wire, "docker.io/frozen/app")) == those(SIGNATURE)
        hub.hold("frozen/app", SBOM)
        time.sleep(0.05)
        assert listed(ask(wire, "docker.io/frozen/app")) == those(SIGNATURE)


def test_token(hub: Upstream, mirror: Running) -> None:
    """Upstream gets a token for a pull of that repository, and nothing more is asked for."""
    hub.tokens = Tokens()
    hold(hub, "some/app", SIGNATURE)
    with mirror.wire() as wire:
        assert listed(ask(wire, "docker.io/some/app")) == those(SIGNATURE)
    scopes = [one.target for one in hub.requests("GET", "/token")]
    assert scopes
    assert all("scope=repository%3Asome%2Fapp%3Apull&" in f"{one}&" for one in scopes)

"""An image with signatures at an upstream, and the lists of them that a registry gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.oci import mediatypes
from tests.support.images import artifact, hello

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.images import Image
    from tests.support.registries import Running
    from tests.support.wire import Answer, Wire

RULES = """
upstream-stall = "10s"
[[freshness]]
match = "docker.io/always/*"
ttl = "always"
[[freshness]]
match = "docker.io/lists/*:sha256-*"
ttl = "always"
[[freshness]]
match = "docker.io/frozen/*"
ttl = "immutable"
[[freshness]]
match = "docker.io/offline/*"
ttl = "offline"
"""
"""Settings with every kind of freshness, by the first part of the path."""
SUBJECT = hello("signed")
DIGEST = SUBJECT.manifest.digest
SIGNATURE, SBOM, OWN = (
    artifact(SUBJECT.manifest, f"test/{kind}", kind.encode())
    for kind in ("signature", "sbom", "own")
)


def hold(hub: Upstream, name: str, *referrers: Image) -> None:
    """Let an upstream hold the image, and these that refer to it."""
    hub.hold(name, SUBJECT, "v1")
    for one in referrers:
        hub.hold(name, one)


def pull(mirror: Running, name: str) -> None:
    """Let a registry cache docker.io's image."""
    with mirror.wire() as wire:
        assert wire.pull(f"docker.io/{name}", "v1") == DIGEST


def ask(wire: Wire, name: str, query: str = "", digest: str = DIGEST) -> Answer:
    """Ask for what refers to the image, or to another."""
    return wire.ask("GET", f"/v2/{name}/referrers/{digest}{query}")


def listed(answer: Answer) -> list[str]:
    """Return the digests in a list."""
    assert answer.expect(200).headers["content-type"] == mediatypes.OCI_INDEX
    fields = answer.json()
    assert (fields["schemaVersion"], fields["mediaType"]) == (2, mediatypes.OCI_INDEX)
    return [one["digest"] for one in fields["manifests"]]


def those(*images: Image) -> list[str]:
    """Return the digests of images in the order of a list."""
    return sorted(one.manifest.digest for one in images)


def descriptor(one: Image, kind: str) -> dict[str, object]:
    """Return how a list names an artifact."""
    content = one.manifest
    fields: dict[str, object] = {"mediaType": content.media_type, "digest": content.digest}
    return fields | {"size": len(content.data), "artifactType": kind}


def asked(hub: Upstream, name: str) -> int:
    """Return how often an upstream was asked for lists of a repository."""
    return len(hub.requests("GET", f"/v2/{name}/referrers/"))

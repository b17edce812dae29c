"""Two repositories that name the same blob: one download where that will do, no more than that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lreg.oci import mediatypes
from tests.fakes.faults import ALWAYS, Fault
from tests.support.downloads import download
from tests.support.images import noise, sha256
from tests.support.processes import eventually

if TYPE_CHECKING:
    from lreg.oci.manifest import Manifest
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start

DATA = noise(300_000, "shared")


def claim(upstream: Upstream, name: str, size: int = len(DATA)) -> Manifest:
    """Let an upstream have an image whose layer, DATA, it lacks."""
    config = upstream.put_blob(name, b"{}", mediatypes.OCI_CONFIG)
    layer = {"mediaType": mediatypes.OCI_LAYER, "digest": sha256(DATA), "size": size}
    fields = {"mediaType": mediatypes.OCI_MANIFEST, "config": config.to_json(), "layers": [layer]}
    return upstream.put_manifest(name, fields, "v1")


def test_a_neighbour_that_lacks_it(start: Start, hub: Upstream, quay: Upstream) -> None:
    """A blob that one upstream lacks still comes from the other, also for who waited for both."""
    claim(quay, "other/app")
    quay.script.add("GET", "/blobs/", Fault(delay=0.6), ALWAYS)
    hub.put_image("some/app", "v1", DATA)
    mirror = start({"docker.io": hub.url, "quay.io": quay.url}, "--no-prefetch")
    with mirror.wire() as wire:
        wire.ask("GET", "/v2/quay.io/other/app/manifests/v1").expect(200)
        wire.ask("GET", "/v2/docker.io/some/app/manifests/v1").expect(200)
    lacking: list[int] = []

    def ask() -> None:
        lacking.append(download(mirror, f"/v2/quay.io/other/app/blobs/{sha256(DATA)}").status)

    other = threading.Thread(target=ask)
    other.start()
    eventually(lambda: quay.requests("GET", "/blobs/"))
    assert download(mirror, f"/v2/docker.io/some/app/blobs/{sha256(DATA)}").digest == sha256(DATA)
    other.join()
    assert lacking == [404]


def test_a_neighbour_that_lies(start: Start, hub: Upstream, quay: Upstream) -> None:
    """A manifest that states a wrong size spoils the blob for nobody else."""
    claim(quay, "other/app", size=len(DATA) + 1)
    quay.put_blob("other/app", DATA)
    hub.put_image("some/app", "v1", DATA)
    mirror = start({"docker.io": hub.url, "quay.io": quay.url}, "--no-prefetch")
    with mirror.wire() as wire:
        wire.ask("GET", "/v2/quay.io/other/app/manifests/v1").expect(200)
        wire.ask("GET", "/v2/docker.io/some/app/manifests/v1").expect(200)
    assert not download(mirror, f"/v2/quay.io/other/app/blobs/{sha256(DATA)}").is_whole
    assert download(mirror, f"/v2/docker.io/some/app/blobs/{sha256(DATA)}").digest == sha256(DATA)


def test_private_content_stays_where_it_is(start: Start, hub: Upstream, quay: Upstream) -> None:
    """Naming a private blob in a manifest of one's own does not open it to everybody."""
    hub.put_image("private/app", "v1", DATA)
    claim(quay, "evil/app")
    private = {"address": hub.url, "readers": "authenticated"}
    mirror = start({"docker.io": private, "quay.io": quay.url}, "--no-prefetch")
    with mirror.wire() as wire:
        wire.ask("GET", "/v2/docker.io/private/app/manifests/v1").expect(200)
        wire.ask("GET", f"/v2/docker.io/private/app/blobs/{sha256(DATA)}").expect(200)
        wire.ask("GET", "/v2/quay.io/evil/app/manifests/v1").expect(200)
        wire.ask("GET", f"/v2/quay.io/evil/app/blobs/{sha256(DATA)}").expect(404)


def test_bringing_opens_nothing_private(start: Start, hub: Upstream, quay: Upstream) -> None:
    """`lreg cache` of an image that names a private blob does not open that to everybody."""
    hub.put_image("private/app", "v1", DATA)
    claim(quay, "evil/app")
    private = {"address": hub.url, "readers": "authenticated"}
    mirror = start({"docker.io": private, "quay.io": quay.url}, "--no-prefetch")
    with mirror.wire() as wire:
        wire.ask("GET", "/v2/docker.io/private/app/manifests/v1").expect(200)
        wire.ask("GET", f"/v2/docker.io/private/app/blobs/{sha256(DATA)}").expect(200)
        body = b'{"images": [{"image": "quay.io/evil/app:v1", "platforms": []}], "jobs": 1}'
        assert b"BLOB_UNKNOWN" in wire.ask("POST", "/lreg/v1/cache", body).expect(200).body
        wire.ask("GET", f"/v2/quay.io/evil/app/blobs/{sha256(DATA)}").expect(404)

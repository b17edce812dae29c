"""Pushing: uploads of every kind, mounts, manifests, deletes."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, noise, sha256

if TYPE_CHECKING:
    from tests.support.registries import Running
    from tests.support.wire import Wire


def code(answer: object) -> str:
    """Return the spec's code of an error response."""
    return str(answer.json()["errors"][0]["code"])  # type: ignore[attr-defined]


def test_chunks_out_of_order_are_refused_and_lose_nothing(wire: Wire, repository: str) -> None:
    """A chunk at the wrong place is 416; the upload says where it stands and goes on."""
    data = noise(3000, "chunks")
    location = wire.start_upload(repository)
    first = {"Content-Range": "0-999"}
    location = wire.ask("PATCH", location, data[:1000], first).expect(202).headers["location"]
    for wrong in ("2000-2999", "0-999"):
        refused = wire.ask("PATCH", location, data[2000:], {"Content-Range": wrong})
        assert code(refused.expect(416)) == "BLOB_UPLOAD_INVALID"
    status = wire.ask("GET", location).expect(204)
    assert status.headers["range"] == "0-999"
    rest = {"Content-Range": "1000-2999"}
    location = wire.ask("PATCH", location, data[1000:], rest).expect(202).headers["location"]
    wire.finish_upload(location, sha256(data)).expect(201)
    assert wire.ask("GET", f"/v2/{repository}/blobs/{sha256(data)}").body == data


def test_a_chunk_of_another_size_than_its_range(wire: Wire, repository: str) -> None:
    """A chunk that is not as long as it says is refused."""
    location = wire.start_upload(repository)
    answer = wire.ask("PATCH", location, b"12345", {"Content-Range": "0-9"})
    assert code(answer.expect(400)) == "SIZE_INVALID"


def test_a_stream_without_length(wire: Wire, repository: str) -> None:
    """Docker streams a layer of unknown length in one PATCH."""
    data = noise(300_000, "stream")
    location = wire.start_upload(repository)
    pieces = (data[start : start + 7001] for start in range(0, len(data), 7001))
    location = wire.ask("PATCH", location, pieces).expect(202).headers["location"]
    wire.finish_upload(location, sha256(data)).expect(201)


def test_a_single_post(wire: Wire, repository: str) -> None:
    """A blob goes up in one request."""
    data = b"at once"
    path = f"/v2/{repository}/blobs/uploads/?digest={sha256(data)}"
    created = wire.ask("POST", path, data).expect(201)
    assert wire.ask("GET", created.headers["location"]).expect(200).body == data


def test_a_wrong_digest_is_refused(wire: Wire, repository: str) -> None:
    """Bytes that are not what their digest says are never served; the upload is gone."""
    location = wire.start_upload(repository)
    refused = wire.finish_upload(location, sha256(b"good"), b"evil")
    assert code(refused.expect(400)) == "DIGEST_INVALID"
    wire.ask("GET", f"/v2/{repository}/blobs/{sha256(b'good')}").expect(404)
    assert code(wire.ask("GET", location).expect(404)) == "BLOB_UPLOAD_UNKNOWN"


def test_a_cancelled_upload_is_gone(wire: Wire, repository: str) -> None:
    """A cancelled upload can't be continued."""
    location = wire.start_upload(repository)
    wire.ask("DELETE", location).expect(204)
    wire.ask("PATCH", location, b"x").expect(404)


def test_an_upload_belongs_to_its_repository(wire: Wire, repository: str) -> None:
    """An upload's id is of no use in another repository."""
    location = wire.start_upload(repository).replace(repository, repository + "/other")
    wire.ask("PATCH", location, b"x").expect(404)


def test_sha512(wire: Wire, repository: str) -> None:
    """Blobs and manifests may be called by their SHA-512."""
    data = b"long digest"
    digest = "sha512:" + hashlib.sha512(data).hexdigest()
    start = wire.ask("POST", f"/v2/{repository}/blobs/uploads/?digest-algorithm=sha512")
    location = start.expect(202).headers["location"]
    location = wire.ask("PATCH", location, data).expect(202).headers["location"]
    wire.finish_upload(location, digest).expect(201)
    assert wire.ask("GET", f"/v2/{repository}/blobs/{digest}").body == data
    image = hello("sha512")
    for blob in image.blobs:
        wire.push_blob(repository, blob.data)
    long = "sha512:" + hashlib.sha512(image.manifest.data).hexdigest()
    kind = {"Content-Type": image.manifest.media_type}
    path = f"/v2/{repository}/manifests/{long}?tag=a&tag=b"
    pushed = wire.ask("PUT", path, image.manifest.data, kind).expect(201)
    assert pushed.headers["oci-tag"] == "a, b"
    assert (
        wire.ask("HEAD", f"/v2/{repository}/manifests/b").headers["docker-content-digest"] == long
    )


def test_mounts(wire: Wire, repository: str) -> None:
    """A blob of another repository need not be sent: mounted by name, or wherever it is."""
    digest = wire.push_blob(f"{repository}/from", b"mounted")
    path = f"/v2/{repository}/to/blobs/uploads/?mount={digest}"
    wire.ask("POST", f"{path}&from={repository}/from").expect(201)
    assert wire.ask("GET", f"/v2/{repository}/to/blobs/{digest}").expect(200).body == b"mounted"
    wire.ask("POST", path.replace("/to/", "/third/")).expect(201)
    missing = path.replace(digest, sha256(b"nowhere"))
    assert "location" in wire.ask("POST", missing).expect(202).headers


@pytest.mark.parametrize(
    ("body", "kind", "status", "expected"),
    [
        (b"not json", "application/vnd.oci.image.manifest.v1+json", 400, "MANIFEST_INVALID"),
        (b"[]", "", 400, "MANIFEST_INVALID"),
        (b'{"schemaVersion":1}', "", 400, "MANIFEST_INVALID"),
        (b"[" * 100_000, "", 400, "MANIFEST_INVALID"),
        (b'{"schemaVersion":2,"config":7}', "", 400, "MANIFEST_INVALID"),
        (b'{"schemaVersion":2,"mediaType":"text/html"}', "", 400, "MANIFEST_INVALID"),
        (
            b'{"schemaVersion":2,"manifests":[]}',
            "application/vnd.oci.image.manifest.v1+json",
            400,
            "MANIFEST_INVALID",
        ),
        (b" " * (5 << 20), "", 413, "SIZE_INVALID"),
    ],
)
def test_what_is_no_manifest_is_refused(
    wire: Wire, repository: str, body: bytes, kind: str, status: int, expected: str
) -> None:
    """Anything that no client could use is refused with a reason, and what was there stays."""
    image = hello("there")
    wire.push(repository, image, "v1")
    answer = wire.ask("PUT", f"/v2/{repository}/manifests/v1", body, {"Content-Type": kind})
    assert code(answer.expect(status)) == expected
    assert wire.ask("GET", f"/v2/{repository}/manifests/v1").body == image.manifest.data


def test_a_manifest_of_missing_blobs_is_refused(wire: Wire, repository: str) -> None:
    """An image becomes visible only when all of it is there; the answer names what is missing."""
    image = hello("incomplete")
    answer = wire.put_manifest(repository, image.manifest, "v1").expect(404)
    assert code(answer) == "MANIFEST_BLOB_UNKNOWN"
    assert image.blobs[0].digest in json.dumps(answer.json())
    wire.ask("GET", f"/v2/{repository}/manifests/v1").expect(404)


def test_a_manifest_under_another_digest_is_refused(wire: Wire, repository: str) -> None:
    """A push by digest is checked against the bytes."""
    image = hello("digest")
    wire.push(repository, image)
    path = f"/v2/{repository}/manifests/{sha256(b'other')}"
    kind = {"Content-Type": image.manifest.media_type}
    assert code(wire.ask("PUT", path, image.manifest.data, kind).expect(400)) == "DIGEST_INVALID"


def test_deletes(wire: Wire, repository: str) -> None:
    """A tag goes alone; a manifest takes its tags along; a blob goes; a second time is 404."""
    image = hello("deleted")
    for tag in ("one", "two", "three"):
        wire.push(repository, image, tag)
    base = f"/v2/{repository}"
    wire.ask("DELETE", f"{base}/manifests/one").expect(202)
    wire.ask("GET", f"{base}/manifests/one").expect(404)
    wire.ask("GET", f"{base}/manifests/two").expect(200)
    wire.ask("DELETE", f"{base}/manifests/{image.manifest.digest}").expect(202)
    for gone in ("two", "three", image.manifest.digest):
        assert code(wire.ask("GET", f"{base}/manifests/{gone}").expect(404)) == "MANIFEST_UNKNOWN"
    assert wire.ask("GET", f"{base}/tags/list").json()["tags"] == []
    blob = image.blobs[0].digest
    wire.ask("GET", f"{base}/blobs/{blob}").expect(200)
    wire.ask("DELETE", f"{base}/blobs/{blob}").expect(202)
    assert code(wire.ask("DELETE", f"{base}/blobs/{blob}").expect(404)) == "BLOB_UNKNOWN"


def test_a_hang_up_keeps_what_came(server: Running, wire: Wire, repository: str) -> None:
    """A push whose line drops goes on where it stopped, over another connection."""
    data = noise(2_000_000, "dropped")
    location = wire.start_upload(repository)
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        raw.sendall(head.encode() + data[:1_200_000])
    status = wire.ask("GET", location).expect(204)
    for _ in range(100):
        status = wire.ask("GET", location).expect(204)
        if status.headers["range"] == "0-1199999":
            break
    assert status.headers["range"] == "0-1199999"
    rest = {"Content-Range": f"1200000-{len(data) - 1}"}
    location = wire.ask("PATCH", location, data[1_200_000:], rest).expect(202).headers["location"]
    wire.finish_upload(location, sha256(data)).expect(201)

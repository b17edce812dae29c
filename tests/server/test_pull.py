"""Pulling: content, conditions, ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import artifact, hello, noise, sha256

if TYPE_CHECKING:
    from tests.support.wire import Wire


@pytest.mark.parametrize("size", [100, 70_000, 3 << 20])
def test_a_blob_comes_back_as_it_was(wire: Wire, repository: str, size: int) -> None:
    """A blob of any size is the same bytes again, with its digest, and HEAD agrees with GET."""
    data = noise(size, "blob")
    digest = wire.push_blob(repository, data)
    path = f"/v2/{repository}/blobs/{digest}"
    for _ in range(2):  # from the disk, then perhaps from memory
        got = wire.ask("GET", path).expect(200)
        assert got.body == data
        assert got.headers["docker-content-digest"] == digest
        assert got.headers["content-type"] == "application/octet-stream"
    head = wire.ask("HEAD", path).expect(200)
    assert head.headers["content-length"] == str(size)
    assert head.body == b""


@pytest.mark.parametrize("size", [1000, 200_000])
@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [("bytes=0-99", 0, 100), ("bytes=900-", 900, None), ("bytes=-5", -5, None)],
)
def test_a_part_of_a_blob(
    wire: Wire, repository: str, size: int, header: str, start: int, stop: int | None
) -> None:
    """A cut download goes on where it was cut: one range gives just those bytes."""
    data = noise(size, "ranged")
    digest = wire.push_blob(repository, data)
    got = wire.ask("GET", f"/v2/{repository}/blobs/{digest}", headers={"Range": header})
    assert got.expect(206).body == data[start:stop]
    first = start % size
    last = first + len(got.body) - 1
    assert got.headers["content-range"] == f"bytes {first}-{last}/{size}"


@pytest.mark.parametrize("size", [1000, 200_000])
def test_several_parts_of_a_blob(wire: Wire, repository: str, size: int) -> None:
    """Several ranges come as multipart/byteranges, each with its place."""
    data = noise(size, "parts")
    digest = wire.push_blob(repository, data)
    header = {"Range": "bytes=0-9, 500-519"}
    got = wire.ask("GET", f"/v2/{repository}/blobs/{digest}", headers=header).expect(206)
    kind, _, boundary = got.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    _, first, second, end = got.body.split(b"--" + boundary.encode())
    assert end == b"--\r\n"
    for part, start, stop in ((first, 0, 10), (second, 500, 520)):
        head, _, content = part.partition(b"\r\n\r\n")
        assert f"Content-Range: bytes {start}-{stop - 1}/{size}".encode() in head
        assert content == data[start:stop] + b"\r\n"


def test_a_range_outside_is_416(wire: Wire, repository: str) -> None:
    """A range behind the end is refused, with the size to try again by."""
    digest = wire.push_blob(repository, b"short")
    got = wire.ask("GET", f"/v2/{repository}/blobs/{digest}", headers={"Range": "bytes=9-"})
    assert got.expect(416).headers["content-range"] == "bytes */5"


@pytest.mark.parametrize("header", ["lines=1-2", "bytes=x", "bytes=" + "0-0," * 20 + "1-1"])
def test_a_range_that_means_nothing_is_the_whole(wire: Wire, repository: str, header: str) -> None:
    """What is not a range of bytes is ignored (RFC 9110, 14.2)."""
    digest = wire.push_blob(repository, b"whole")
    got = wire.ask("GET", f"/v2/{repository}/blobs/{digest}", headers={"Range": header})
    assert got.expect(200).body == b"whole"


def test_what_a_client_has_is_not_sent_again(wire: Wire, repository: str) -> None:
    """If-None-Match with the ETag that came along is answered 304, for blobs and manifests."""
    image = hello("conditions")
    wire.push(repository, image, "v1")
    large = wire.push_blob(repository, noise(100_000, "etag"))
    paths = ["manifests/v1", f"manifests/{image.manifest.digest}", f"blobs/{large}"]
    for path in paths:
        etag = wire.ask("GET", f"/v2/{repository}/{path}").expect(200).headers["etag"]
        for condition in (etag, f'"other", W/{etag}', "*"):
            again = wire.ask(
                "GET", f"/v2/{repository}/{path}", headers={"If-None-Match": condition}
            )
            assert again.expect(304).body == b""
        other = wire.ask("GET", f"/v2/{repository}/{path}", headers={"If-None-Match": '"x"'})
        other.expect(200)


def test_if_range_guards_against_another_content(wire: Wire, repository: str) -> None:
    """A tag that moved between two parts of a download gives the whole, not a mixture."""
    wire.push(repository, hello("if-range"), "v1")
    path = f"/v2/{repository}/manifests/v1"
    etag = wire.ask("GET", path).headers["etag"]
    wire.ask("GET", path, headers={"Range": "bytes=0-3", "If-Range": etag}).expect(206)
    wire.ask("GET", path, headers={"Range": "bytes=0-3", "If-Range": '"other"'}).expect(200)


def test_manifests_keep_their_type_and_bytes(wire: Wire, repository: str) -> None:
    """Docker and OCI images come back as what they were pushed as, whatever is accepted."""
    for name, docker in (("oci", False), ("docker", True)):
        image = hello(name, docker=docker)
        wire.push(repository, image, name)
        got = wire.ask("GET", f"/v2/{repository}/manifests/{name}", headers={"Accept": "text/x"})
        assert got.expect(200).body == image.manifest.data
        assert got.headers["content-type"] == image.manifest.media_type
        assert got.headers["docker-content-digest"] == sha256(image.manifest.data)


def test_nothing_is_compressed(wire: Wire, repository: str) -> None:
    """Clients that offer gzip and zstd get the bytes that the digest is of."""
    image = hello("plain")
    wire.push(repository, image, "v1")
    accept = {"Accept-Encoding": "zstd, gzip, deflate"}
    got = wire.ask("GET", f"/v2/{repository}/manifests/v1", headers=accept).expect(200)
    assert "content-encoding" not in got.headers
    assert got.body == image.manifest.data


def test_referrers_are_found_before_and_after(wire: Wire, repository: str) -> None:
    """Signatures of an image are listed, also those that were pushed before it; by type, too."""
    image = hello("subject")
    early = artifact(image.manifest, "application/x.early", b"1")
    late = artifact(image.manifest, "application/x.late+json", b"2")
    pushed = wire.push_blob(repository, early.blobs[0].data) and wire.push(repository, early)
    wire.push(repository, image)
    wire.push(repository, late)
    path = f"/v2/{repository}/referrers/{image.manifest.digest}"
    listed = wire.ask("GET", path).expect(200)
    assert listed.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    assert {entry["digest"] for entry in listed.json()["manifests"]} == {
        pushed,
        late.manifest.digest,
    }
    for written in ("application/x.late+json", "application/x.late%2Bjson"):
        some = wire.ask("GET", f"{path}?artifactType={written}").expect(200)
        assert some.headers["oci-filters-applied"] == "artifactType"
        assert [entry["digest"] for entry in some.json()["manifests"]] == [late.manifest.digest]
    none = wire.ask("GET", f"/v2/{repository}/referrers/{sha256(b'none')}").expect(200)
    assert none.json()["manifests"] == []

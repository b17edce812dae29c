"""Bundles that mean harm: one error that says what is wrong, in bounded memory."""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from typing import TYPE_CHECKING

import pytest
import zstandard

from lreg.errors import LregError, UsageError
from lreg.images.bundle import read_bundle, write_bundle
from lreg.images.carrying import Carried, carried_files
from lreg.oci.manifest import Manifest
from tests.support.images import OCI_INDEX, OCI_MANIFEST, Content, image

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE = image({"file": b"x"})
REF_NAME = "org.opencontainers.image.ref.name"
SINCE = "dev.lreg.bundle.since"


def bundle(index: Mapping[str, object], *contents: Content) -> bytes:
    """Return a bundle of this index and of what comes after it."""
    files = {"oci-layout": b"{}", "index.json": json.dumps({"schemaVersion": 2, **index}).encode()}
    files |= {f"blobs/{each.digest.replace(':', '/')}": each.data for each in contents}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def named(*contents: Content, name: object = "mine/app:1", **more: object) -> dict[str, object]:
    """Return an index that names these."""
    annotations = {REF_NAME: name}
    return {"manifests": [each.descriptor(annotations=annotations) for each in contents], **more}


def refused(data: bytes) -> str:
    """Return what is said of a bundle that can't be read."""
    with pytest.raises(LregError) as caught:
        read_bundle(iter(partial(io.BytesIO(data).read, 1 << 16), b""))
    return str(caught.value)


@pytest.mark.parametrize(
    "since",
    [
        5,
        None,
        {"a": 1},
        "5",
        "[]",
        "null",
        "[" * 100_000,
        '{"a": "b"}',
        json.dumps({MADE.manifest.digest: 5}),
        json.dumps({MADE.manifest.digest: "../x?from=y"}),
    ],
)
def test_made_since_nothing_that_is(since: object) -> None:
    """What it was made since is digests and repositories."""
    index = named(MADE.manifest, annotations={SINCE: since})
    assert "made since" in refused(bundle(index, MADE.manifest, *MADE.blobs))


@pytest.mark.parametrize("absent", [5, None, {"a": 1}, "5", "[", "[5]", '["x"]', "[" * 100_000])
def test_lacks_nothing_that_is(absent: object) -> None:
    """What it lacks is digests."""
    index = named(MADE.manifest, annotations={"dev.lreg.bundle.absent": absent})
    assert "which images it lacks" in refused(bundle(index, MADE.manifest, *MADE.blobs))


def test_lacks_what_it_names() -> None:
    """It can't lack what it is to bring."""
    digests = json.dumps([MADE.manifest.digest])
    index = named(MADE.manifest, annotations={"dev.lreg.bundle.absent": digests})
    read_bundle([bundle(index, MADE.manifest, *MADE.blobs)])
    assert "no bundle" in refused(bundle(index, *MADE.blobs))


@pytest.mark.parametrize("name", [None, 5, [], {}, "v1"])
def test_no_name(name: object) -> None:
    """An image without a name, or with a tag alone, would be loaded into nowhere."""
    assert "has no name" in refused(bundle(named(MADE.manifest, name=name), MADE.manifest))


def test_what_is_cut_off() -> None:
    """Of a bundle that is cut off anywhere, packed or not, one line says so."""
    plain = bundle(named(MADE.manifest), MADE.manifest, *MADE.blobs)
    end = plain.rindex(MADE.blobs[-1].data) + len(MADE.blobs[-1].data)
    for whole, cuts in ((plain, range(0, end, 97)), (zstandard.compress(plain), range(0, 300, 7))):
        for cut in cuts:
            with pytest.raises(LregError):
                _loaded(whole[:cut])
    assert "nothing comes" in refused(b"")
    assert _loaded(plain) == {blob.digest: blob.data for blob in MADE.blobs}


def _loaded(data: bytes) -> dict[str, bytes]:
    """Return what is in a bundle, all of which it has to have."""
    read = read_bundle([data])
    blobs = {str(digest): b"".join(pieces) for digest, _, pieces in read.blobs()}
    if missing := {blob.digest for blob in MADE.blobs} - blobs.keys():
        raise LregError(f"{missing} did not come")
    return blobs


def test_indexes_in_indexes() -> None:
    """Indexes lie in one another a few deep at most, however many there are."""
    nested = [MADE.manifest]
    for _ in range(1500):
        fields = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [nested[-1].descriptor()],
        }
        nested.append(Content(OCI_INDEX, json.dumps(fields).encode()))
    assert "too deeply" in refused(bundle(named(nested[-1]), *reversed(nested)))
    (one,) = read_bundle([bundle(named(nested[2]), *reversed(nested[:3]))]).images
    digests = [str(manifest.digest) for manifest in one.manifests]
    assert digests == [each.digest for each in nested[:3]]


def test_more_names_than_are_read() -> None:
    """What nobody could load is not written: what can be is, and is read again."""
    manifest = Manifest.parse(MADE.manifest.data)
    blobs = {blob.digest: [blob.data] for blob in MADE.blobs}

    def written(count: int) -> bytes:
        names = tuple(f"quay.io/some/long/name:{number}" for number in range(count))
        target = io.BytesIO()
        files = carried_files((Carried(names, (manifest,)),), lambda blob: blobs[str(blob.digest)])
        write_bundle(files, target)
        return target.getvalue()

    with pytest.raises(UsageError, match="20000 names are too many"):
        written(20_000)
    (read,) = read_bundle([written(10_000)]).images
    assert len(read.names) == 10_000


def test_endless_manifests() -> None:
    """A bundle of which manifests would fill the memory is refused before they do."""
    padded = [
        Content(OCI_MANIFEST, MADE.manifest.data + b" " * ((4 << 20) - 2000 - number))
        for number in range(20)
    ]
    assert "bytes together" in refused(bundle(named(*padded), *padded))

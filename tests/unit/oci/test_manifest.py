"""Manifests and descriptors: what they say, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import ContentTooLarge, ManifestInvalid
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.platform import Platform

CONFIG = {"mediaType": mediatypes.OCI_CONFIG, "digest": "sha256:" + "1" * 64, "size": 2}
LAYER = {"mediaType": mediatypes.OCI_LAYER_GZIP, "digest": "sha256:" + "2" * 64, "size": 9}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def raw(**fields: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **fields}).encode()


def test_an_image() -> None:
    """An image names its config and its layers; its digest is that of its bytes."""
    data = raw(mediaType=mediatypes.OCI_MANIFEST, config=CONFIG, layers=[LAYER])
    manifest = Manifest.parse(data, "application/vnd.oci.image.manifest.v1+json; charset=utf-8")
    assert manifest.digest == Digest.of(data)
    assert [blob.to_json() for blob in manifest.blobs] == [CONFIG, LAYER]
    assert not manifest.is_index
    assert manifest.descriptor == Descriptor(mediatypes.OCI_MANIFEST, Digest.of(data), len(data))
    assert Manifest.parse(data, algorithm=Algorithm.SHA512).digest.algorithm is Algorithm.SHA512


def test_an_index() -> None:
    """An index names manifests and their platforms."""
    child = {**LAYER, "mediaType": mediatypes.OCI_MANIFEST}
    child["platform"] = {"os": "linux", "architecture": "arm", "variant": "v7"}
    manifest = Manifest.parse(raw(manifests=[child]))
    assert manifest.media_type == mediatypes.OCI_INDEX
    assert manifest.children[0].platform == Platform("linux", "arm", "v7")
    assert manifest.children[0].to_json() == child
    assert manifest.blobs == ()


def test_types_that_bytes_do_not_tell_are_those_of_oci() -> None:
    """OCI manifests need not say what they are."""
    assert Manifest.parse(raw(config=CONFIG)).media_type == mediatypes.OCI_MANIFEST
    assert Manifest.parse(raw(config=CONFIG, layers=None)).layers == ()


def test_a_referrer_tells_its_type_and_annotations() -> None:
    """A listing shows the artifact's type, the config's where there is none, none for an index."""
    subject = {**LAYER, "mediaType": mediatypes.OCI_MANIFEST}
    named = Manifest.parse(
        raw(config=CONFIG, subject=subject, artifactType="x/y", annotations={"a": "b"})
    )
    assert named.subject is not None
    assert str(named.subject.digest) == LAYER["digest"]
    assert named.as_referrer().to_json()["artifactType"] == "x/y"
    assert named.as_referrer().to_json()["annotations"] == {"a": "b"}
    plain = Manifest.parse(raw(config=CONFIG, subject=subject))
    assert plain.as_referrer().artifact_type == mediatypes.OCI_CONFIG
    index = Manifest.parse(raw(manifests=[], subject=subject))
    assert "artifactType" not in index.as_referrer().to_json()


def test_layers_that_lie_elsewhere() -> None:
    """Windows' base layers, and any with urls, need not be in the registry."""
    for more in ({"urls": ["http://x"]}, {"mediaType": mediatypes.NONDISTRIBUTABLE[0] + "tar"}):
        assert not Descriptor.from_json({**LAYER, **more}).distributable
    assert Descriptor.from_json(LAYER).distributable


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:1"},
        {"size": -1},
        {"size": True},
        {"size": "2"},
        {"mediaType": None},
        {"digest": 7},
    ],
)
def test_descriptors_that_name_nothing(change: dict[str, object]) -> None:
    """A descriptor without a type, digest or size makes its manifest invalid."""
    with pytest.raises(ManifestInvalid):
        Manifest.parse(raw(config={**CONFIG, **change}))


def test_declared_types_must_be_true() -> None:
    """A manifest that is declared as something else is refused."""
    with pytest.raises(ManifestInvalid):
        Manifest.parse(raw(config=CONFIG), mediatypes.DOCKER_MANIFEST)


def test_large_manifests_are_refused() -> None:
    """More than four megabytes is no manifest."""
    with pytest.raises(ContentTooLarge):
        Manifest.parse(b" " * (MAX_MANIFEST_SIZE + 1))


@given(
    fields=st.dictionaries(
        st.sampled_from(
            [
                "schemaVersion",
                "mediaType",
                "config",
                "layers",
                "manifests",
                "subject",
                "annotations",
            ]
        ),
        JSON | st.just(2) | st.just(CONFIG) | st.just([LAYER]),
    )
)
def test_no_json_breaks_it(fields: dict[str, object]) -> None:
    """Whatever JSON comes is a manifest or ManifestInvalid, and can be listed if it is one."""
    try:
        manifest = Manifest.parse(json.dumps(fields).encode())
    except ManifestInvalid as error:
        assert str(error)
    else:
        json.dumps(manifest.as_referrer().to_json())

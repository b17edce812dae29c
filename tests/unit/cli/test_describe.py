"""How an image is described: to people and in JSON."""

from __future__ import annotations

import json
from typing import Any

from lreg.cli.looking.describe import as_json, as_lines, settings
from lreg.cli.looking.facts import Facts, ImageFacts
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest

CONFIG = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "created": "2024-01-02T03:04:05Z",
    "config": {
        "Entrypoint": ["/init", "--"],
        "Cmd": ["run it"],
        "Env": ["PATH=/bin", "EVIL=\x1b[31m"],
        "Labels": {"b": "2", "a": "1"},
        "WorkingDir": "/srv",
        "User": "1000",
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
    },
}


def descriptor(size: int, kind: str = mediatypes.OCI_LAYER_GZIP, **more: Any) -> Descriptor:
    """Something of that size."""
    return Descriptor(kind, Digest.of(str(size).encode()), size, **more)


def facts(config: dict[str, Any], **fields: Any) -> Facts:
    """An image with two layers."""
    manifest = Manifest.parse(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": mediatypes.OCI_MANIFEST,
                "config": descriptor(100, mediatypes.OCI_CONFIG).to_json(),
                "layers": [descriptor(1000).to_json(), descriptor(5000).to_json()],
                **fields,
            }
        ).encode()
    )
    signature = descriptor(77, artifact_type="test/signature", annotations={"by": "me"})
    return Facts(manifest, (), ImageFacts(manifest, config, (signature,)))


def test_lines() -> None:
    """A person sees what runs and with what, each layer's size, and what refers to the image."""
    found = facts(CONFIG, annotations={"note": "x"})
    assert as_lines("host/name:1", found) == [
        "Name:         host/name:1",
        f"Digest:       {found.top.digest}",
        "Type:         application/vnd.oci.image.manifest.v1+json",
        "Platform:     linux/arm64/v8",
        "Size:         6.0 KiB in 2 layers",
        "Created:      2024-01-02T03:04:05Z",
        'Entrypoint:   ["/init", "--"]',
        'Cmd:          ["run it"]',
        "Workdir:      /srv",
        "User:         1000",
        'Ports:        ["443/tcp", "80/tcp"]',
        'Volumes:      ["/data"]',
        "Stop signal:  SIGINT",
        "Env:",
        "  PATH=/bin",
        "  EVIL=?[31m",
        "Labels:",
        "  a=1",
        "  b=2",
        "Annotations:",
        "  note=x",
        "Layers:",
        f"  {Digest.of(b'1000')}  1000 B",
        f"  {Digest.of(b'5000')}  4.9 KiB",
        "Referrers:",
        f"  test/signature  {Digest.of(b'77')}  77 B",
    ]


def test_json() -> None:
    """JSON has the same, by stable names, sizes in bytes."""
    found = as_json("host/name:1", facts(CONFIG))
    image = found["image"]
    assert (found["name"], found["digest"]) == ("host/name:1", image["digest"])
    assert (image["platform"], image["size"]) == ("linux/arm64/v8", 6100)
    assert [layer["size"] for layer in image["layers"]] == [1000, 5000]
    assert image["config"]["ports"] == ["443/tcp", "80/tcp"]
    assert image["config"]["labels"] == {"b": "2", "a": "1"}
    assert image["referrers"] == [
        {
            "artifact_type": "test/signature",
            "digest": str(Digest.of(b"77")),
            "size": 77,
            "annotations": {"by": "me"},
        }
    ]
    assert json.loads(json.dumps(found)) == found


def test_settings_of_a_foreign_config() -> None:
    """A config that says nothing, or nonsense, sets nothing."""
    assert settings({}) == {}
    assert settings({"config": None}) == {}
    assert settings({"config": "x"}) == {}
    assert settings({"config": {"Cmd": None, "Env": []}}) == {}


def test_artifact() -> None:
    """An artifact is described by its type."""
    found = facts({}, artifactType="test/sbom")
    assert "Artifact:  test/sbom" in as_lines("x:1", found)
    assert as_json("x:1", found)["image"]["artifact_type"] == "test/sbom"


def test_index() -> None:
    """An index lists its platforms even where none of its images can be shown."""
    child = descriptor(5, mediatypes.OCI_MANIFEST)
    raw = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [child.to_json()],
    }
    found = Facts(Manifest.parse(json.dumps(raw).encode()), (), None)
    assert as_lines("x:1", found)[-2:] == [
        "Platforms:",
        f"  application/vnd.oci.image.manifest.v1+json  {child.digest}",
    ]
    assert as_json("x:1", found)["platforms"][0]["platform"] is None

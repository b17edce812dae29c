"""What `lreg inspect` prints of an image: JSON, or lines for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lreg.cli.output.text import columns, human_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.cli.looking.facts import Facts, ImageFacts
    from lreg.oci.descriptor import Descriptor

# The settings of an image config (image-spec, config.md, "config"), as they are called here.
_SETTINGS = {
    "Entrypoint": "entrypoint",
    "Cmd": "cmd",
    "WorkingDir": "workdir",
    "User": "user",
    "ExposedPorts": "ports",
    "Volumes": "volumes",
    "StopSignal": "stop_signal",
    "Env": "env",
    "Labels": "labels",
}


def as_json(name: str, facts: Facts) -> dict[str, Any]:
    """Return the JSON object of an image; sizes are in bytes, absent things are left out."""
    top = facts.top
    described: dict[str, Any] = {
        "name": name,
        "digest": str(top.digest),
        "media_type": top.media_type,
        "annotations": dict(top.annotations),
    }
    if top.is_index:
        described["platforms"] = [
            {
                "platform": str(child.platform) if child.platform else None,
                "digest": str(child.digest),
                "media_type": child.media_type,
            }
            for child in top.children
        ]
        described["referrers"] = list(map(_referrer, facts.referrers))
    if facts.image:
        described["image"] = _image_json(facts.image)
    return described


def _image_json(image: ImageFacts) -> dict[str, Any]:
    manifest = image.manifest
    described: dict[str, Any] = {
        "digest": str(manifest.digest),
        "platform": str(image.platform) if image.platform else None,
        "artifact_type": manifest.artifact_type if not image.config else None,
        "annotations": dict(manifest.annotations),
        "size": image.size,
        "created": image.config.get("created"),
        "config": settings(image.config),
        "layers": [
            {"digest": str(layer.digest), "size": layer.size, "media_type": layer.media_type}
            for layer in manifest.layers
        ],
        "referrers": list(map(_referrer, image.referrers)),
    }
    return {name: value for name, value in described.items() if value is not None}


def _referrer(descriptor: Descriptor) -> dict[str, Any]:
    return {
        "artifact_type": descriptor.artifact_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
        "annotations": dict(descriptor.annotations),
    }


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an image config sets for its containers; ports and volumes as sorted lists."""
    inner = config.get("config")
    found = inner if isinstance(inner, dict) else {}
    return {
        ours: sorted(found[theirs]) if ours in {"ports", "volumes"} else found[theirs]
        for theirs, ours in _SETTINGS.items()
        if found.get(theirs)
    }


def as_lines(name: str, facts: Facts) -> list[str]:
    """Return the lines that describe an image to a person."""
    top, image = facts.top, facts.image
    rows = [("Name:", name), ("Digest:", str(top.digest)), ("Type:", top.media_type)]
    if image and not top.is_index:
        return [*columns([*rows, *_rows(image, alone=True)]), *_sections(image)]
    lines = columns(rows)
    lines += _section("Annotations", _pairs(top.annotations))
    lines += _section(
        "Platforms",
        ((str(child.platform or child.media_type), str(child.digest)) for child in top.children),
    )
    lines += _section("Referrers", _referrers(facts.referrers))
    if image:
        lines += ["", *columns(_rows(image, alone=False)), *_sections(image)]
    return lines


def _rows(image: ImageFacts, *, alone: bool) -> list[tuple[str, str]]:
    """Return what an image is, a line each; where it is not `alone` its digest is among it."""
    manifest = image.manifest
    count = len(manifest.layers)
    rows = []
    if image.platform:
        rows.append(("Platform:", str(image.platform)))
    elif manifest.artifact_type:
        rows.append(("Artifact:", manifest.artifact_type))
    if not alone:
        rows.append(("Digest:", str(manifest.digest)))
    rows.append(("Size:", f"{human_size(image.size)} in {count} layer{'s' * (count != 1)}"))
    if created := image.config.get("created"):
        rows.append(("Created:", str(created)))
    rows += [
        (f"{key.replace('_', ' ').capitalize()}:", _text(value))
        for key, value in settings(image.config).items()
        if key not in {"env", "labels"}
    ]
    return rows


def _sections(image: ImageFacts) -> list[str]:
    """Return what an image has more of than one."""
    manifest, values = image.manifest, settings(image.config)
    lines = []
    if isinstance(env := values.get("env"), list):
        lines += _section("Env", ((str(item),) for item in env))
    if isinstance(labels := values.get("labels"), dict):
        lines += _section("Labels", _pairs(labels))
    lines += _section("Annotations", _pairs(manifest.annotations))
    lines += _section(
        "Layers", ((str(layer.digest), human_size(layer.size)) for layer in manifest.layers)
    )
    return lines + _section("Referrers", _referrers(image.referrers))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pairs(values: Mapping[str, object]) -> Iterable[tuple[str]]:
    return ((f"{key}={value}",) for key, value in sorted(values.items()))


def _referrers(descriptors: Iterable[Descriptor]) -> Iterable[tuple[str, str, str]]:
    return (
        (one.artifact_type or one.media_type, str(one.digest), human_size(one.size))
        for one in descriptors
    )


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    found = columns(rows, indent="  ")
    return [f"{title}:", *found] if found else []

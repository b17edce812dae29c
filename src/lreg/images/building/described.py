"""A folder that an image is built from: `image.json` beside the root file systems it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.errors import UsageError
from lreg.images.building.objects import read_object
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# image.json's keys: how an image config spells them (image-spec, config.md, "config"), their shape.
_RUN_KEYS: Mapping[str, tuple[str, type[object]]] = {
    "cmd": ("Cmd", list),
    "entrypoint": ("Entrypoint", list),
    "env": ("Env", dict),
    "labels": ("Labels", dict),
    "user": ("User", str),
    "workdir": ("WorkingDir", str),
}
_SHAPES: Mapping[type[object], str] = {
    list: "a list of strings",
    dict: "an object of strings",
    str: "a string",
}
_KEYS = {"name", "tag", "roots", *_RUN_KEYS}


@dataclass(frozen=True)
class ImageSource:
    """What `image.json` says.

    Attributes:
        name: the image's repository and tag, without a host.
        roots: for each platform, the folder whose content becomes the root file system.
        run: the `config` object of the image config, as config.md spells it.
    """

    name: Reference
    roots: Mapping[Platform, Path]
    run: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> ImageSource:
        """Return what `folder`/image.json says.

        Raises:
            UsageError: it can't be read, or says something that has no meaning here.
        """
        return read_object(folder / "image.json", lambda fields: cls._parse(folder, fields))

    @classmethod
    def _parse(cls, folder: Path, fields: dict[str, Any]) -> ImageSource:
        if unknown := sorted(fields.keys() - _KEYS):
            raise UsageError(f"unknown key {unknown[0]!r}: use {', '.join(sorted(_KEYS))}")
        roots = fields.get("roots")
        if not isinstance(roots, dict) or not roots:
            raise UsageError(
                '"roots" must name a folder for each platform: {"linux/amd64": "root"}'
            )
        return cls(
            Reference.parse(f"{fields.get('name', '')}:{fields.get('tag', 'latest')}"),
            {Platform.parse(name): _root(folder, value) for name, value in roots.items()},
            {
                spelt: _run_value(key, fields[key])
                for key, (spelt, _) in _RUN_KEYS.items()
                if key in fields
            },
        )


def _root(folder: Path, value: object) -> Path:
    if not isinstance(value, str) or not (folder / value).is_dir():
        raise UsageError(f"{value!r} in roots is not a folder beside image.json")
    return folder / value


def _run_value(key: str, value: object) -> object:
    shape = _RUN_KEYS[key][1]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not isinstance(value, shape) or not all(isinstance(item, str) for item in items):
        raise UsageError(f"{key!r} must be {_SHAPES[shape]}")
    if key == "env" and isinstance(value, dict):
        return [f"{name}={text}" for name, text in value.items()]
    return value

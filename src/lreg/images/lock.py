"""Lock files: which images exactly, as a person and a version control can read it, TOML or JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError, UsageError
from lreg.images.whole import whole_file
from lreg.oci.digest import Digest
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference, RepositoryName, Tag, is_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_HEAD = "# What `lreg cache --lock` brings and `lreg missing --lock` looks for.\n"
_KEYS = {"name", "tag", "digest", "platforms"}


@dataclass(frozen=True, slots=True)
class Locked:
    """One image.

    Attributes:
        name: what the registry here calls its repository: `docker.io/library/alpine`, or a name
            without a host for one of its own.
        tag: what it is asked for by; None: by its digest alone.
        digest: what it is.
        platforms: which images of an index; none: whichever are wanted.
    """

    name: RepositoryName
    tag: Tag | None
    digest: Digest
    platforms: tuple[Platform, ...] = ()

    @property
    def reference(self) -> Reference:
        """The whole name, with tag and digest; without a host for an image of the registry's."""
        first, _, rest = self.name.text.partition("/")
        if rest and is_host(first):
            return Reference(first, RepositoryName(rest), self.tag, self.digest)
        return Reference(None, self.name, self.tag, self.digest)


def read(path: Path) -> tuple[Locked, ...]:
    """Return the images of a lock file, TOML or JSON.

    Raises:
        UsageError: it can't be read, or is no lock file; says where it is wrong.
    """
    try:
        fields = _decoded(path.read_text())
        images = fields.get("image", [])
        if not isinstance(images, list) or fields.keys() - {"image"}:
            raise UsageError("a lock file is a list of [[image]] tables, nothing else")
        return tuple(_locked(one, number) for number, one in enumerate(images, 1))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is neither TOML nor JSON: {error}") from None
    except LregError as error:
        raise UsageError(f"{path}: {error}") from None


def write(path: Path, images: Iterable[Locked]) -> None:
    """Write a lock file, JSON where its name ends so: the same text for the same images.

    Raises:
        UsageError: it can't be written.
    """
    tables = [_table(image) for image in sorted(set(images), key=_place)]
    if path.suffix == ".json":
        text = json.dumps({"image": tables}, indent=2) + "\n"
    else:
        text = "".join([_HEAD, *map(_toml, tables)])
    try:
        with whole_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from None


def _decoded(text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 -- only `--lock` needs it

    fields: dict[str, Any]
    fields = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    return fields


def _locked(table: object, number: int) -> Locked:
    try:
        if not isinstance(table, dict):
            raise UsageError("it is no table")
        if unknown := sorted(table.keys() - _KEYS):
            raise UsageError(f"unknown key {unknown[0]!r}: use {', '.join(sorted(_KEYS))}")
        tag, platforms = table.get("tag"), table.get("platforms", [])
        if not isinstance(platforms, list):
            raise UsageError("platforms is no list")
        return Locked(
            RepositoryName.parse(str(table.get("name", ""))),
            None if tag is None else Tag.parse(str(tag)),
            Digest.parse(str(table.get("digest", ""))),
            tuple(Platform.parse(str(platform)) for platform in platforms),
        )
    except LregError as error:
        raise UsageError(f"image {number}: {error}") from None


def _place(image: Locked) -> tuple[str, str, str]:
    return image.name.text, image.tag.text if image.tag else "", str(image.digest)


def _table(image: Locked) -> dict[str, object]:
    fields: dict[str, object] = {"name": image.name.text}
    if image.tag:
        fields["tag"] = image.tag.text
    fields["digest"] = str(image.digest)
    if image.platforms:
        fields["platforms"] = sorted(map(str, image.platforms))
    return fields


def _toml(table: Mapping[str, object]) -> str:
    # JSON's strings and lists of strings are TOML's.
    return "\n[[image]]\n" + "".join(f"{key} = {json.dumps(table[key])}\n" for key in table)

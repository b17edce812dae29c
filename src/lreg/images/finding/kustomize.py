"""Kustomizations: what they make of their resources, by kustomize itself or read as they stand."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.images.finding.files import is_remote, read_text
from lreg.images.finding.found import Findings, Found, Place
from lreg.images.finding.manifests import Manifests
from lreg.images.finding.names import joined
from lreg.images.finding.programs import output_of
from lreg.images.finding.trees import Text, documents, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lreg.images.finding.trees import Tree

FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MAX_READ = 200
_FOLDERS = ("resources", "bases", "components")
# Lists of files, or of objects that name one.
_FILES = (
    *("resources", "crds", "configurations", "generators", "transformers", "validators"),
    *("patches", "patchesStrategicMerge", "patchesJson6902", "replacements"),
)


@dataclass(frozen=True)
class Kustomization:
    """One kustomization, as it is written.

    Attributes:
        file: kustomization.yaml itself.
        fields: what it says.
        folders: the kustomizations that it builds on.
        files: the files that it reads.
        remote: what it fetches from elsewhere.
    """

    file: Path
    fields: dict[str, Tree]
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    remote: tuple[Text, ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.file.parent


def kustomization_in(folder: Path) -> Path | None:
    """Return the kustomization.yaml of a folder, None where it has none."""
    return next((file for name in FILES if (file := folder / name).is_file()), None)


def load(file: Path) -> Kustomization:
    """Return a kustomization.

    Raises:
        LregError: it can't be read, or is not YAML.
    """
    fields: dict[str, Tree] = {}
    for document in documents(read_text(file)):
        if document.broken:
            raise LregError(document.broken)
        if isinstance(document.tree, dict):
            fields = document.tree
        elif document.tree is None:
            fields = _of_names(document.text)
    folders, files, remote = [], [], []
    for name in _named(fields):
        path = Path(os.path.normpath(file.parent / name))
        if path.is_dir():
            folders.append(path)
        elif path.is_file():
            files.append(path)
        elif is_remote(name):
            remote.append(name)
    return Kustomization(file, fields, tuple(folders), tuple(files), tuple(remote))


def _of_names(text: str) -> dict[str, Tree]:
    # No image is in it, so `documents` did not parse it; what it builds on is wanted all the same.
    tree = parse(text)
    return tree if isinstance(tree, dict) else {}


def _named(fields: dict[str, Tree]) -> Iterator[Text]:
    for key in dict.fromkeys((*_FOLDERS, *_FILES)):
        items = fields.get(key)
        for item in items if isinstance(items, list) else ():
            name = item.get("path") if isinstance(item, dict) else item
            if isinstance(name, Text) and name and "\n" not in name:
                yield name


def find(kustomization: Kustomization) -> Findings:
    """Return the images of what a kustomization makes; as `read` where no kustomize can."""
    if kustomization.fields.get("kind") == "Component":
        # It is a part of others, and can't be built by itself.
        return read(kustomization)
    if kustomize := which("kustomize"):
        argv = [kustomize, "build"]
    elif kubectl := which("kubectl"):
        argv = [kubectl, "kustomize"]
    else:
        return read(kustomization)
    file = str(kustomization.file)
    try:
        made = output_of([*argv, str(kustomization.folder)])
    except LregError as error:
        findings = read(kustomization)
        findings.fail(Place(file), f"it is read as it stands: {error}")
        return findings
    findings = Findings()
    Manifests(findings, file, lines=False).read(made)
    return findings


def read(kustomization: Kustomization) -> Findings:
    """Return the images of a kustomization's files, its `images` put in, without kustomize."""
    return _Reader().read(kustomization)


class _Reader:
    """Reads a kustomization and those below it: so many at most, however they are entangled."""

    def __init__(self) -> None:
        self._left = _MAX_READ

    def read(self, kustomization: Kustomization) -> Findings:
        findings = Findings()
        for file in kustomization.files:
            try:
                Manifests(findings, str(file)).read(read_text(file))
            except LregError as error:
                findings.fail(Place(str(file)), str(error))
        for folder in kustomization.folders:
            self._below(folder, findings)
        own, file_name = kustomization.fields, str(kustomization.file)
        for name in kustomization.remote:
            findings.fail(Place(file_name, name.line), f"{name!r:.200} lies elsewhere")
        if own.get("helmCharts"):
            findings.fail(Place(file_name), "its helmCharts are not read")
        patches = {key: value for key, value in own.items() if key.startswith("patch")}
        Manifests(findings, file_name).tree(patches)
        overrides = list(_overrides(own.get("images")))
        findings.found = [_overridden(one, overrides) for one in findings.found]
        return findings

    def _below(self, folder: Path, findings: Findings) -> None:
        self._left -= 1
        file = kustomization_in(folder)
        if file is None:
            findings.fail(Place(str(folder)), "it has no kustomization.yaml")
        elif self._left == 0:
            findings.fail(Place(str(file)), "it builds on too many others, or on itself")
        elif self._left > 0:
            try:
                findings.include(self.read(load(file)))
            except LregError as error:
                findings.fail(Place(str(file)), str(error))


@dataclass(frozen=True, slots=True)
class _Override:
    name: str
    new_name: str
    new_tag: str
    digest: str


def _overrides(images: Tree | None) -> Iterator[_Override]:
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict):
            keys = ("name", "newName", "newTag", "digest")
            yield _Override(*(str(image.get(key) or "") for key in keys))


def _overridden(found: Found, overrides: Iterable[_Override]) -> Found:
    reference = found.reference
    for one in overrides:
        host = f"{reference.host}/" if reference.host else ""
        if one.name != f"{host}{reference.repository}":
            continue
        tag, digest = str(reference.tag or ""), str(reference.digest or "")
        if one.new_tag or one.digest:
            tag, digest = one.new_tag, one.digest
        reference = joined("", one.new_name or one.name, tag, digest) or reference
    return replace(found, reference=reference)

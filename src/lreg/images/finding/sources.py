"""Finds the images of whatever is named: files, folders, charts, a version, a cluster."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.finding import cluster as clusters
from lreg.images.finding import helm, kubeadm, kustomize, overlays
from lreg.images.finding.compose import read_compose, read_env, services_of
from lreg.images.finding.files import MAX_FILE, decoded, read_text, walk
from lreg.images.finding.found import Findings, Place
from lreg.images.finding.helm import NO_VALUES
from lreg.images.finding.manifests import Manifests
from lreg.images.finding.trees import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lreg.images.finding.cluster import Cluster
    from lreg.images.finding.helm import Values
    from lreg.images.finding.kustomize import Kustomization

_MANIFESTS = (".yaml", ".yml", ".json")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Sources:
    """What to look through.

    Attributes:
        names: files, folders, charts, overlays by name; "-" is what stdin says.
        values: what replaces values of the charts.
        kubernetes: the version whose kubeadm images are wanted, or "".
        cluster: a cluster to ask, or None.
        render: whether kustomize and helm may render what they know best, if they are here.
    """

    names: tuple[str, ...] = ()
    values: Values = NO_VALUES
    kubernetes: str = ""
    cluster: Cluster | None = None
    render: bool = True


def find(sources: Sources, environ: Mapping[str, str]) -> Findings:
    """Return every image that the sources name.

    Args:
        sources: what to look through.
        environ: the variables of the environment: an overlay path, compose files' variables.

    Raises:
        UsageError: one that is named is not there, or a version is none.
        LregError: the cluster can't be asked.
    """
    finder = Finder(sources.values, environ, render=sources.render)
    paths = [None if name == STDIN else overlays.locate(name, environ) for name in sources.names]
    for path in paths:
        if path is None:
            finder.text(_standard_input(), "stdin")
        elif path.is_dir():
            finder.folder(path)
        else:
            finder.file(path)
    if sources.kubernetes:
        place = Place(f"kubeadm {sources.kubernetes}")
        kubeadm.find(sources.kubernetes, place, finder.findings)
    if sources.cluster:
        finder.findings.include(clusters.find(sources.cluster))
    return finder.findings


def _standard_input() -> str:
    # Python has none where whoever started it closed it.
    if sys.stdin is None:
        raise UsageError("stdin is closed: give a file, or the manifests on stdin")
    return decoded(sys.stdin.buffer.read(MAX_FILE + 1))


class Finder:
    """Finds images in files and folders.

    Args:
        values: what replaces values of charts.
        environ: what variables of compose files mean, before their .env.
        render: whether kustomize and helm may be run.

    Attributes:
        findings: what was found so far.
    """

    def __init__(self, values: Values, environ: Mapping[str, str], *, render: bool = True) -> None:
        self.findings = Findings()
        self._values = values
        self._environ = environ
        self._built = kustomize.find if render else kustomize.read
        self._templated = helm.find if render else helm.read

    def folder(self, folder: Path) -> None:
        """Find the images of a folder and all below it: its charts, kustomizations and files."""
        charts: list[Path] = []
        kustomizations: list[Kustomization] = []
        files: list[Path] = []
        for here, names in walk(folder):
            if any(chart in here.parents for chart in charts):
                continue
            if helm.is_chart(here):
                charts.append(here)
                continue
            if file := kustomize.kustomization_in(here):
                kustomizations += self._loaded(file)
            files += [here / name for name in names if name not in kustomize.FILES]
        self._kustomized(kustomizations)
        for path in charts:
            self._chart(path)
        read = {path for one in kustomizations for path in one.files}
        for path in files:
            if path not in read and (path.name.endswith(_MANIFESTS) or helm.is_chart(path)):
                self.file(path)

    def file(self, path: Path) -> None:
        """Find the images of a file: manifests, a compose file, a packed chart, a kustomization."""
        if path.name in kustomize.FILES:
            for one in self._loaded(path):
                self.findings.include(self._built(one))
        elif helm.is_chart(path):
            self._chart(path)
        else:
            try:
                self.text(read_text(path), str(path), path)
            except LregError as error:
                self.findings.fail(Place(str(path)), str(error))

    def text(self, text: str, name: str, path: Path | None = None) -> None:
        """Find the images of what a file says."""
        manifests = Manifests(self.findings, name)
        for document in documents(text):
            if services := services_of(document.tree):
                variables = {**self._env_beside(path), **self._environ}
                read_compose(services, name, variables, manifests, self.findings)
            else:
                manifests.document(document)

    def _kustomized(self, kustomizations: list[Kustomization]) -> None:
        """Find the images of those that no other one builds on, and of those in circles."""
        built = {path for one in kustomizations for path in one.folders}
        by_folder = {one.folder: one for one in kustomizations}
        seen: set[Path] = set()
        for one in sorted(kustomizations, key=lambda one: one.folder in built):
            if one.folder in seen:
                continue
            self.findings.include(self._built(one))
            todo = [one.folder]
            while todo:
                folder = todo.pop()
                if folder in by_folder and folder not in seen:
                    seen.add(folder)
                    todo += by_folder[folder].folders

    def _env_beside(self, path: Path | None) -> dict[str, str]:
        env = path.parent / ".env" if path else None
        return read_env(read_text(env)) if env and env.is_file() else {}

    def _loaded(self, file: Path) -> Iterable[Kustomization]:
        try:
            return [kustomize.load(file)]
        except LregError as error:
            self.findings.fail(Place(str(file)), str(error))
            return []

    def _chart(self, path: Path) -> None:
        try:
            self.findings.include(self._templated(path, self._values))
        except LregError as error:
            self.findings.fail(Place(str(path)), str(error))

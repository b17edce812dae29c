"""Helm charts: what `helm template` makes of them, or values and templates read as they stand."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING, BinaryIO, cast

from lreg.errors import LregError, UsageError
from lreg.images.finding.files import MAX_FILE, decoded, read_text, walk
from lreg.images.finding.found import Findings, Place
from lreg.images.finding.groups import Defaults
from lreg.images.finding.manifests import Manifests
from lreg.images.finding.names import images_in
from lreg.images.finding.programs import output_of
from lreg.images.finding.templates import rendered
from lreg.images.finding.trees import Text, mapping_at, nested, parse, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lreg.images.finding.trees import Tree

_MAX_MEMBERS = 10_000
_MAX_DEPTH = 5
_MAX_MERGED = 100_000
_PACKED = (".tgz", ".tar.gz")
_LARGE = "the chart holds more than any chart"
# What is no template, nor read by one.
_ASIDE = frozenset({"charts", "crds", "tests", "ci"})
_COMMA = re.compile(r"(?<!\\),")
_TEXTS = (".yaml", ".yml", ".tpl", ".txt", ".json")


def is_chart(path: Path) -> bool:
    """Return whether a folder, or a file by its name, is a chart."""
    return (path / "Chart.yaml").is_file() or (path.name.endswith(_PACKED) and path.is_file())


@dataclass(frozen=True, slots=True)
class Values:
    """What is to replace values of a chart.

    Attributes:
        files: with values, the later ones over the others.
        settings: `key.of.it=value`, several after commas, over the files (Helm, "--set").
    """

    files: Sequence[Path] = ()
    settings: Sequence[str] = ()

    def tree(self) -> Tree:
        """Return them; raise UsageError for a setting that only Helm itself can make out."""
        tree: Tree = {}
        for file in self.files:
            tree = _merged(tree, parse(read_text(file)) or {})
        return _merged(tree, nested(dict(map(_setting, self._each()))))

    def _each(self) -> Iterator[str]:
        for settings in self.settings:
            yield from filter(None, _COMMA.split(settings))


def _setting(text: str) -> tuple[str, Text]:
    key, sign, value = text.partition("=")
    if not sign or not key or re.search(r"[][{}\\]", text):
        raise UsageError(
            f"--set {text!r:.200} is not KEY=VALUE, or needs helm, which is not here or can't: "
            "--values takes a file"
        )
    return key, Text(value)


NO_VALUES = Values()


def find(path: Path, values: Values = NO_VALUES) -> Findings:
    """Return the images of a chart, all guessed where there is no helm, or it can't.

    Args:
        path: its folder, or its archive.
        values: what replaces the chart's.

    Raises:
        LregError: it can't be read.
    """
    helm = which("helm")
    if helm is None:
        return read(path, values)
    argv = [helm, "template", "chart", str(path), "--include-crds"]
    argv += [f"--values={file}" for file in values.files]
    argv += [f"--set={setting}" for setting in values.settings]
    try:
        made = output_of(argv)
    except LregError as error:
        findings = read(path, values)
        findings.fail(Place(str(path)), f"it is read as it stands: {error}")
        return findings
    findings = Findings()
    Manifests(findings, str(path), lines=False).read(made)
    return findings


def read(path: Path, values: Values = NO_VALUES) -> Findings:
    """Return the images of a chart, all guessed, without helm; as `find` takes it and raises."""
    findings = Findings()
    found = _of_folder(path, findings) if path.is_dir() else _of_archive(path.read_bytes())
    files = dict(found)
    _Chart(findings, str(path), files).read(values.tree())
    return findings


def _of_folder(folder: Path, findings: Findings) -> Iterator[tuple[str, str]]:
    for here, names in walk(folder):
        for name in names:
            path = here / name
            inside = str(path.relative_to(folder))
            if name.endswith(_TEXTS):
                yield inside, read_text(path)
            elif name.endswith(_PACKED):
                try:
                    packed = list(_of_archive(path.read_bytes()))
                except UsageError as error:
                    findings.fail(Place(str(path)), str(error))
                    continue
                yield from ((f"{inside}/{member}", text) for member, text in packed)


def _of_archive(raw: bytes, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the files of a packed chart, named from its folder on; its packed subcharts' too."""
    try:
        # tarfile's own gzip can't read a header with extra fields, as Helm writes it.
        with (
            gzip.GzipFile(fileobj=io.BytesIO(raw)) as plain,
            tarfile.open(fileobj=cast("BinaryIO", _Limited(plain)), mode="r|") as archive,
        ):
            for number, member in enumerate(archive):
                if number > _MAX_MEMBERS:
                    raise UsageError(_LARGE)
                inside = member.name.removeprefix("./").partition("/")[2]
                opened = archive.extractfile(member) if member.isreg() else None
                if opened and inside.endswith(_TEXTS):
                    yield inside, decoded(opened.read())
                elif opened and inside.endswith(_PACKED) and depth < _MAX_DEPTH:
                    for below, text in _of_archive(opened.read(), depth + 1):
                        yield f"{inside}/{below}", text
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        raise UsageError(f"it is no packed chart: {error}") from None


class _Limited:
    """What tarfile may see of a file: so many bytes in all."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._left = MAX_FILE

    def read(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise UsageError(_LARGE)
        return self._file.read(count)


@dataclass(frozen=True, slots=True)
class _Chart:
    """A chart's files, its subcharts' among them."""

    findings: Findings
    name: str
    files: Mapping[str, str]
    depth: int = 0

    def read(self, given: Tree) -> None:
        """Find its images, with values given from outside."""
        chart = self._parsed("Chart.yaml")
        values = _merged(self._parsed("values.yaml"), given)
        self._values(values, chart)
        for name, text in self.files.items():
            top, below, _ = name.partition("/")
            if below and top not in _ASIDE:
                self._template(f"{self.name}/{name}", text, values, chart)
            elif top == "crds":
                Manifests(self.findings, f"{self.name}/{name}").read(text)
        for name, files in self._subcharts().items():
            if self.depth < _MAX_DEPTH:
                sub = _Chart(self.findings, f"{self.name}/charts/{name}", files, self.depth + 1)
                sub.read(_given_to(sub.called(name), values))

    def called(self, folder: str) -> str:
        """Return the name by which a parent's values mean it."""
        return text_at(self._parsed("Chart.yaml"), "name") or folder

    def _values(self, values: Tree, chart: Tree) -> None:
        defaults = Defaults(
            values=True,
            registry=text_at(mapping_at(values, "global"), "imageRegistry"),
            version=text_at(chart, "appVersion"),
        )
        file = f"{self.name}/values.yaml"
        Manifests(self.findings, file, defaults).tree(values)
        # Artifact Hub has a chart say what it runs, as YAML in an annotation.
        if isinstance(chart, dict) and "annotations" in chart:
            Manifests(self.findings, f"{self.name}/Chart.yaml", defaults).tree(chart["annotations"])

    def _template(self, file: str, text: str, values: Tree, chart: Tree) -> None:
        for number, line in enumerate(text.split("\n"), 1):
            for _, reference in images_in(rendered(line, values, chart)):
                self.findings.add(reference, Place(file, number), sure=False)

    def _subcharts(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for path, text in self.files.items():
            top, _, rest = path.partition("/")
            folder, _, inside = rest.partition("/")
            if top == "charts" and inside:
                found.setdefault(folder, {})[inside] = text
        return {name: files for name, files in found.items() if "Chart.yaml" in files}

    def _parsed(self, name: str) -> Tree:
        try:
            return parse(self.files.get(name, "")) or {}
        except UsageError as error:
            self.findings.fail(Place(f"{self.name}/{name}"), str(error))
            return {}


def _given_to(name: str, values: Tree) -> Tree:
    """Return what a parent's values say for a subchart, the globals among it."""
    if not isinstance(values, dict):
        return {}
    around = {"global": values["global"]} if "global" in values else {}
    return _merged(around, values.get(name, {}))


def _merged(below: Tree, above: Tree) -> Tree:
    """Return values with others over them, as Helm lays them.

    Raises:
        UsageError: they are more than any chart's.
    """
    return _Merging().merge(below, above)


class _Merging:
    """Lays mappings over one another, each pair once: aliases make many of few."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], Tree] = {}
        self._left = _MAX_MERGED

    def merge(self, below: Tree, above: Tree) -> Tree:
        if not isinstance(below, dict) or not isinstance(above, dict):
            return above
        pair = id(below), id(above)
        if pair in self._made:
            return self._made[pair]
        made = self._made[pair] = dict(below)
        self._left -= len(above)
        if self._left < 0:
            raise UsageError("its values lie in one another too often")
        for key, value in above.items():
            made[key] = self.merge(made[key], value) if key in made else value
        return made

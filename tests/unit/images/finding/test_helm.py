"""Helm charts without helm: values and templates read as they stand, all of it guessed."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from lreg.images.finding.helm import Values
from lreg.images.finding.sources import Sources, find
from lreg.images.finding.templates import UNKNOWN, rendered
from lreg.images.finding.trees import parse
from tests.unit.images.finding.conftest import write

if TYPE_CHECKING:
    from pathlib import Path

CHART = {
    "Chart.yaml": """\
apiVersion: v2
name: web
version: 1.0.0
appVersion: "7.1"
annotations:
  artifacthub.io/images: |
    - name: helper
      image: quay.io/org/annotated:1
""",
    "values.yaml": """\
# A group without a tag has the chart's appVersion.
image: {registry: quay.io, repository: org/web, tag: ""}
metrics:
  image:
    repository: quay.io/org/exporter
    tag: v2
plain:
  name: quay.io/org/plain
  version: "3"
sub:
  image: {tag: "55"}
""",
    "templates/deploy.yaml": """\
kind: Deployment
spec:
  containers:
  - image: "{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Chart.AppVersion }}"
  - image: {{ printf "%s:%s" .Values.plain.name .Values.plain.version | quote }}
  - image: docker.io/library/busybox:1.36
  - image: {{ include "web.image" . }}
  - args: ["--sidecar-image={{ .Values.missing.name | default "quay.io/org/side:4" }}"]
""",
    "files/inject.yaml": "image: quay.io/org/file:1\n",
    "tests/web_test.yaml": "image: quay.io/org/tested:1\n",
    "charts/sub/Chart.yaml": "name: sub\nversion: 1.0.0\nappVersion: '1'\n",
    "charts/sub/values.yaml": "image: {repository: quay.io/org/sub, tag: '1'}\n",
}
IMAGES = {
    "quay.io/org/web:7.1",
    "quay.io/org/exporter:v2",
    "quay.io/org/plain:3",
    "quay.io/org/annotated:1",
    "docker.io/library/busybox:1.36",
    "quay.io/org/side:4",
    "quay.io/org/file:1",
    "quay.io/org/sub:55",
}


HELM = b"+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo="


def _packed(files: dict[str, bytes], name: str = "web") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    zipped = gzip.compress(buffer.getvalue(), 1, mtime=0)
    # As Helm writes it: with an extra field and a comment (RFC 1952, 2.3).
    head = zipped[:3] + bytes([0x04 | 0x10]) + zipped[4:10]
    return head + len(HELM).to_bytes(2, "little") + HELM + b"Helm\0" + zipped[10:]


@pytest.mark.usefixtures("no_programs")
def test_folder(tmp_path: Path) -> None:
    """Images are found in values, templates, annotations and subcharts; each is a guess."""
    write(tmp_path / "web", CHART)
    findings = find(Sources((str(tmp_path),)), {})
    assert {need.image for need in findings.needs()} == IMAGES
    assert not any(need.sure for need in findings.needs())
    assert findings.problems == []
    places = {str(one.place) for need in findings.needs() for one in need.found}
    assert f"{tmp_path}/web/templates/deploy.yaml:6" in places


@pytest.mark.usefixtures("no_programs")
def test_packed(tmp_path: Path) -> None:
    """A packed chart is read as its folder is, its packed subcharts too."""
    inner = {
        name.removeprefix("charts/sub/"): text.encode()
        for name, text in CHART.items()
        if name.startswith("charts/")
    }
    outer = {name: text.encode() for name, text in CHART.items() if not name.startswith("charts/")}
    file = tmp_path / "web-1.0.0.tgz"
    file.write_bytes(_packed(outer | {"charts/sub-1.0.0.tgz": _packed(inner, "sub")}))
    for name in (str(file), str(tmp_path)):
        assert {need.image for need in find(Sources((name,)), {}).needs()} == IMAGES


@pytest.mark.usefixtures("no_programs")
def test_broken_subchart(tmp_path: Path) -> None:
    """A packed subchart that can't be read is said; the rest of the chart is read all the same."""
    write(tmp_path / "web", CHART | {"charts/other-1.tgz": "no tar"})
    findings = find(Sources((str(tmp_path),)), {})
    assert {need.image for need in findings.needs()} == IMAGES
    (problem,) = findings.problems
    assert str(problem).startswith(f"{tmp_path}/web/charts/other-1.tgz: it is no packed chart")


@pytest.mark.usefixtures("no_programs")
def test_own_values(tmp_path: Path) -> None:
    """Values that are given stand before the chart's own, its subcharts' among them."""
    write(tmp_path / "web", CHART)
    own = tmp_path / "own.yaml"
    own.write_text("image: {tag: '8'}\nsub: {image: {tag: '56'}}\nglobal: {x: y}\n")
    needs = find(Sources((str(tmp_path / "web"),), values=Values((own,))), {}).needs()
    assert {"quay.io/org/web:8", "quay.io/org/sub:56"} <= {need.image for need in needs}


@pytest.mark.usefixtures("no_programs")
def test_values_of_aliases(tmp_path: Path) -> None:
    """Values that aliases make many of few are laid over one another at the cost of their text."""
    bomb = "a0: &a0 {image: {repository: x/y}}\n" + "".join(
        f"a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}, d: *a{n - 1}}}\n" for n in range(1, 60)
    )
    write(tmp_path / "chart", {"Chart.yaml": "name: x\n", "values.yaml": bomb})
    own = tmp_path / "own.yaml"
    own.write_text(bomb.replace("x/y", "x/z"))
    (need,) = find(Sources((str(tmp_path / "chart"),), values=Values((own,))), {}).needs()
    assert need.image == "docker.io/x/z:latest"


@pytest.mark.usefixtures("no_programs")
def test_global_registry(tmp_path: Path) -> None:
    """A registry for all images stands before the names that have none."""
    write(tmp_path, {"Chart.yaml": "name: x\nappVersion: '1'\n"})
    values = "global: {imageRegistry: registry.example.org}\nimage: {repository: org/a, tag: b}\n"
    write(tmp_path, {"values.yaml": values})
    (need,) = find(Sources((str(tmp_path),)), {}).needs()
    assert need.image == "registry.example.org/org/a:b"


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(
    ("values", "image"),
    [
        # As in cert-manager's chart.
        (
            "{imageRegistry: quay.io, imageNamespace: jetstack, image: {name: controller}}",
            "quay.io/jetstack/controller:7",
        ),
        # As in the Tigera operator's, and Calico's.
        (
            "tigeraOperator: {image: tigera/operator, version: v1, registry: quay.io}\n",
            "quay.io/tigera/operator:v1",
        ),
        ("node: {image: node, registry: quay.io/calico}\n", "quay.io/calico/node:7"),
        ("flannel: {image: docker.io/flannel/flannel, tag: v2}", "docker.io/flannel/flannel:v2"),
        # As in Istio's.
        ("{global: {hub: docker.io/i, tag: '1'}, pilot: {image: pilot}}", "docker.io/i/pilot:1"),
        # As in Bitnami's.
        (
            "image: {registry: docker.io, repository: bitnami/nginx, tag: '1', digest: ''}",
            "docker.io/bitnami/nginx:1",
        ),
    ],
)  # fmt: skip
def test_groups(tmp_path: Path, values: str, image: str) -> None:
    """What fields make together in a chart's values is found, in every chart's own manner."""
    write(tmp_path, {"Chart.yaml": "name: x\nappVersion: '7'\n", "values.yaml": values})
    assert [need.image for need in find(Sources((str(tmp_path),)), {}).needs()] == [image]


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no tar", "it is no packed chart"),
        (_packed({"values.yaml": b" " * (65 << 20)}), "holds more than any chart"),
        (_packed({"values.yaml": b"image: [", "Chart.yaml": b"name: x"}), "it is not YAML"),
    ],
)
def test_hostile(tmp_path: Path, data: bytes, why: str) -> None:
    """A chart that is none, or grows beyond any, is said to be so."""
    file = tmp_path / "x.tgz"
    file.write_bytes(data)
    (problem,) = find(Sources((str(file),)), {}).problems
    assert why in problem.why


VALUES = parse("a: {b: c}\nempty: ''\nlist: [1]")
META = parse("name: n\nappVersion: '1'")


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("{{ .Values.a.b }}", "c"),
        ("{{- $.Values.a.b -}}", "c"),
        ("{{ .Values.a.b | quote }}", "c"),
        ("{{ .Values.empty | default .Chart.AppVersion }}", "1"),
        ("{{ default .Chart.AppVersion .Values.empty }}", "1"),
        ("{{ .Values.none.at.all | default `x` | quote }}", "x"),
        ('{{ printf "%s-%s" .Values.a.b .Chart.Name }}', "c-n"),
        ('{{ required "say it" .Values.a.b }}', "c"),
        ("{{ coalesce .Values.empty .Values.a.b }}", "c"),
        ("{{ .Values.a }}", UNKNOWN),
        ("{{ .Values.none }}", UNKNOWN),
        ("{{ .Values.list }}", UNKNOWN),
        ("{{ .Release.Name }}", UNKNOWN),
        ('{{ include "x" . }}', UNKNOWN),
        ('{{ printf "%s" .Values.none }}', UNKNOWN),
        ("{{ .Values.a.b | upper }}", UNKNOWN),
        ("{{ }}", UNKNOWN),
        ("{{ nothing ends", "{{ nothing ends"),
    ],
)  # fmt: skip
def test_expressions(line: str, result: str) -> None:
    """An expression is what Helm makes of it, or it is not known: never something else."""
    assert VALUES is not None
    assert META is not None
    assert rendered(f"<{line}>", VALUES, META) == f"<{result}>"


@pytest.mark.usefixtures("no_programs")
def test_settings(tmp_path: Path) -> None:
    """`--set` stands over the files with values; what only Helm can make out is refused."""
    chart = str(write(tmp_path / "web", CHART))
    own = tmp_path / "own.yaml"
    own.write_text("image: {tag: '8'}\nplain: {version: '4'}\n")
    settings = ("image.tag=9,sub.image.tag=57", "plain.name=quay.io/org/other")
    needs = find(Sources((chart,), values=Values((own,), settings)), {}).needs()
    names = {"quay.io/org/web:9", "quay.io/org/sub:57", "quay.io/org/other:4"}
    assert names <= {need.image for need in needs}
    (problem,) = find(Sources((chart,), values=Values((), ("list[0]=x",))), {}).problems
    assert "--set 'list[0]=x'" in problem.why

"""Helm charts: what the real helm renders is what is found, and nothing of it is missed without."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lreg.images.finding.helm import Values
from lreg.images.finding.sources import Sources, find
from tests.tools import build
from tests.unit.images.finding.conftest import write

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.images.finding.found import Findings

pytestmark = pytest.mark.client("helm")

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
"""
_SHOP = {
    "Chart.yaml": """\
apiVersion: v2
name: shop
version: 1.0.0
appVersion: "7.1"
dependencies:
- {name: db, version: 1.0.0, condition: db.enabled}
- {name: cache, version: 1.0.0, condition: cache.enabled}
""",
    "values.yaml": """\
global: {imageRegistry: quay.io}
image: {repository: org/shop, tag: ""}
sidecars:
- {name: one, image: "quay.io/org/one:1"}
- {name: two, image: "quay.io/org/two:2"}
agent: {image: {repository: org/agent, tag: "3"}}
debug: {enabled: false, image: {repository: org/debug, tag: "4"}}
db: {enabled: true, image: {tag: "15"}}
cache: {enabled: true}
""",
    "templates/_helpers.tpl": """\
{{- define "shop.image" -}}
{{- $image := .image -}}
{{ .root.Values.global.imageRegistry }}/{{ $image.repository }}:\
{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
""",
    "templates/deployment.yaml": _DEPLOYMENT.replace("NAME", "shop")
    + """\
      - name: shop
        image: {{ include "shop.image" (dict "image" .Values.image "root" $) | quote }}
        {{- $agent := include "shop.image" (dict "image" .Values.agent.image "root" $) }}
        args: ["--agent-image={{ $agent }}"]
      {{- range .Values.sidecars }}
      - {name: {{ .name }}, image: {{ tpl .image $ | quote }}}
      {{- end }}
{{- if .Values.debug.enabled }}
---
apiVersion: v1
kind: Pod
metadata: {name: debug}
spec:
  containers:
  - {name: debug, image: {{ include "shop.image" (dict "image" .Values.debug.image "root" $) }}}
{{- end }}
""",
    "templates/hook.yaml": """\
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: pre-install}}
spec:
  template:
    spec:
      restartPolicy: Never
      initContainers: [{name: wait, image: "docker.io/library/busybox:1.36"}]
      containers: [{name: hook, image: "quay.io/org/hook:1"}]
""",
    "templates/tests/test.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: test, annotations: {helm.sh/hook: test}}
spec: {containers: [{name: test, image: "quay.io/org/test:1"}]}
""",
    "crds/thing.yaml": """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          image:
            description: Such as quay.io/org/example:1.
            type: string
            default: quay.io/org/crd-default:1
""",
    "charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
    "charts/db/values.yaml": "image: {repository: org/db, tag: '14'}\n",
    "charts/db/templates/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: db}
spec:
  containers:
  - name: db
    image: {{ .Values.global.imageRegistry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}
""",
}
_CACHE = {
    "Chart.yaml": "apiVersion: v2\nname: cache\nversion: 1.0.0\n",
    "values.yaml": "image: {repository: quay.io/org/cache, tag: '6'}\n",
    "templates/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: cache}
spec:
  containers: [{name: c, image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"}]
""",
}
_IMAGE = re.compile(r"\bimage: [\"']?([^\s\"'}]+:[^\s\"'}]+)")


@dataclass(frozen=True)
class Helm:
    """The real helm, which is on the PATH, and a folder of charts."""

    program: str
    folder: Path

    def __call__(self, *arguments: str) -> str:
        """Run it to success; return its stdout."""
        argv = [self.program, *arguments]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helm:
    """The real helm; a chart `shop` with a subchart in a folder and a packed one."""
    program = build("helm")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"HELM_{name}_HOME", str(tmp_path / "home" / name))
    helm = Helm(str(program), tmp_path)
    write(tmp_path / "shop", _SHOP)
    write(tmp_path / "cache", _CACHE)
    helm("package", "cache", "--destination", "shop/charts")
    return helm


def _found(findings: Findings) -> tuple[set[str], set[str]]:
    """Return the names that are sure, and those that are guessed."""
    needs = findings.needs()
    sure = {need.image for need in needs if need.sure}
    return sure, {need.image for need in needs} - sure


def _rendered(helm: Helm, chart: str, *options: str) -> set[str]:
    """Return the images of the pods that helm itself makes of a chart."""
    return set(_IMAGE.findall(helm("template", "any", chart, *options)))


SURE = {
    *(f"quay.io/org/{each}" for each in ("shop:7.1", "one:1", "two:2", "hook:1", "test:1")),
    *("docker.io/library/busybox:1.36", "quay.io/org/db:15", "quay.io/org/cache:6"),
}
GUESSED = {"quay.io/org/agent:3", "quay.io/org/crd-default:1"}


@pytest.mark.parametrize("is_packed", [False, True], ids=["folder", "packed"])
def test_what_helm_renders(helm: Helm, *, is_packed: bool) -> None:
    """What helm makes of a chart is needed, and sure: subcharts, loops, hooks, helpers.

    What stands in an argument and in a CRD is a guess; what is switched off is not needed.
    """
    chart = "shop"
    if is_packed:
        helm("package", "shop")
        chart = "shop-1.0.0.tgz"
    findings = find(Sources((str(helm.folder / chart),)), {})
    assert findings.problems == []
    assert _found(findings) == (SURE, GUESSED)
    assert _rendered(helm, chart) == SURE


def test_values_and_settings(helm: Helm) -> None:
    """--values and --set are helm's own: lists, what is switched on or off, subcharts."""
    own = helm.folder / "own.yaml"
    own.write_text("image: {tag: '8'}\ndebug: {enabled: true}\ncache: {enabled: false}\n")
    settings = ("image.tag=9,db.image.tag=16", "sidecars[0].image=quay.io/org/set:1")
    sources = Sources((str(helm.folder / "shop"),), values=Values((own,), settings))
    sure, _ = _found(find(sources, {}))
    options = [f"--values={own}", *(f"--set={each}" for each in settings)]
    assert sure == _rendered(helm, "shop", *options)
    assert {"quay.io/org/shop:9", "quay.io/org/debug:4", "quay.io/org/db:16"} <= sure
    assert "quay.io/org/set:1" in sure
    assert not any("cache" in name for name in sure)


def test_nothing_is_missed_without_helm(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as it stands, a chart has all that helm finds in it and more: every one is a guess."""
    rendered = _rendered(helm, "shop")
    monkeypatch.setenv("PATH", "/nowhere")
    sure, guessed = _found(find(Sources((str(helm.folder / "shop"),)), {}))
    assert sure == set()
    assert rendered <= guessed


def test_what_helm_can_not_render(helm: Helm) -> None:
    """A chart that helm refuses is read as it stands, and helm's reason is said."""
    chart = helm.folder / "shop/Chart.yaml"
    chart.write_text(chart.read_text() + "- {name: absent, version: 1.0.0}\n")
    findings = find(Sources((str(helm.folder / "shop"),)), {})
    sure, guessed = _found(findings)
    assert sure == set()
    assert guessed >= SURE
    (problem,) = findings.problems
    assert problem.why.startswith("it is read as it stands: helm failed: Error: ")
    assert "absent" in problem.why

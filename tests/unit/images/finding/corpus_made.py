"""Manifests whose images are made up in the cluster: by controllers that render, by operators.

As in corpus.py the objects are invented; where they name their images is as such projects have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.images.finding.corpus import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST = "sha256:" + "cd" * 32

_K3S = """\
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: traefik, namespace: kube-system}
spec:
  repo: https://charts.example.org
  chart: traefik
  set: {image.repository: quay.io/org/set, image.tag: "1"}
  valuesContent: |-
    image: {repository: quay.io/org/k3s, tag: "1"}
    sidecar:
      image: {registry: quay.io, name: org/named, tag: "1"}
---
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata: {name: rke2-coredns}
spec:
  valuesContent: "image: {name: quay.io/org/config, tag: \\"1\\"}"
"""

_FLUX = f"""\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: podinfo}}
spec:
  chart: {{spec: {{chart: podinfo, sourceRef: {{kind: HelmRepository, name: podinfo}}}}}}
  values:
    image: {{repository: quay.io/org/value, tag: "1"}}
    redis: {{image: {{repository: org/redis, tag: "7"}}}}
    ui: {{image: "quay.io/org/ui:1"}}
  postRenderers:
  - kustomize:
      images:
      - {{name: quay.io/org/value, newName: quay.io/org/post, newTag: "2"}}
      - {{name: org/same, newTag: "9"}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: apps}}
spec:
  path: ./apps
  images:
  - {{name: podinfo, newName: quay.io/org/flux, newTag: "1"}}
  - {{name: quay.io/org/fixed, digest: "{_DIGEST}"}}
"""

_ARGO_CD = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: sets}
spec:
  template:
    spec:
      sources:
      - repoURL: https://charts.example.org
        chart: web
        helm:
          valuesObject: {image: {repository: quay.io/org/object, tag: "1"}}
          parameters:
          - {name: image.repository, value: quay.io/org/parameter}
          - {name: image.tag, value: "1"}
          - {name: side.image, value: "quay.io/org/side:1"}
      - repoURL: https://git.example.org/x
        path: kustomized
        kustomize: {images: ["nginx=org/nginx:1.25", "org/bare:2"]}
"""

_FLEET = """\
apiVersion: fleet.cattle.io/v1alpha1
kind: Bundle
metadata: {name: b}
spec:
  helm: {chart: x, values: {image: {repository: quay.io/org/fleet, tag: "1"}}}
  resources:
  - name: pod.yaml
    content: |
      apiVersion: v1
      kind: Pod
      metadata: {name: p}
      spec: {containers: [{name: x, image: "org/bundled:1"}]}
"""

_OPERATOR = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: operator}}
spec:
  template:
    spec:
      containers:
      - name: manager
        image: quay.io/org/operator:1
        args:
        - --default-agent-image=org/agent:1
        - -init-image
        - quay.io/org/init
        - "--images=quay.io/org/a:1,quay.io/org/b:2"
        command: [/bin/sh, -c, "manage --worker-image org/worker:4 && true"]
        env:
        - {{name: RELATED_IMAGE_DIGEST, value: "quay.io/org/related@{_DIGEST}"}}
        - {{name: RELATED_IMAGE_TAG, value: "org/tagged:2"}}
        - {{name: AGENT_IMG, value: "org/short:5"}}
        - name: KAFKA_IMAGES
          value: |
            3.6.0=quay.io/org/kafka:3.6.0
            3.7.0=quay.io/org/kafka:3.7.0
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: config}}
data:
  sidecar-image: org/sidecar:1
  IMAGE_REGISTRY: quay.io
  images.properties: |
    app.image=org/property:1
    other.image.name = quay.io/org/other:2
  controller.yaml: |
    controller: {{image: {{repository: quay.io/org/embedded, tag: "1"}}}}
    proxy: {{image: {{name: quay.io/org/proxy, version: stable}}}}
"""

_RESOURCES = f"""\
apiVersion: example.org/v1
kind: Thing
metadata: {{name: thing}}
spec:
  baseImage: quay.io/org/base
  version: v2
  database: {{imageRepository: quay.io/org/database, imageTag: "1"}}
  logger: {{image: {{repository: org/logger, tag: "2"}}}}
  agent: {{image: {{repository: quay.io/org/agent, digest: "{_DIGEST}"}}}}
  toolsImage: {{name: quay.io/org/tools, tag: "5"}}
  images: {{api: "quay.io/org/api:1", web: "org/web:2", pullPolicy: Always, tag: "x:y"}}
  machine: {{image: {{name: ubuntu, version: "22.04"}}}}
---
apiVersion: controlplane.cluster.x-k8s.io/v1beta1
kind: KubeadmControlPlane
metadata: {{name: plane}}
spec:
  kubeadmConfigSpec:
    clusterConfiguration:
      imageRepository: registry.example.org
      dns: {{imageRepository: registry.example.org, imageTag: v1.11.1}}
      etcd: {{local: {{imageRepository: registry.example.org, imageTag: 3.5.9-0}}}}
"""


def _quay(*names: str) -> frozenset[str]:
    return frozenset(f"quay.io/org/{name}" for name in names)


def _hub(*names: str) -> frozenset[str]:
    return frozenset(f"docker.io/org/{name}" for name in names)


NONE: frozenset[str] = frozenset()
MADE: Mapping[str, Project] = {
    "k3s": Project({"chart.yaml": _K3S}, NONE, _quay("set:1", "k3s:1", "named:1", "config:1")),
    "flux": Project(
        {"release.yaml": _FLUX},
        NONE,
        _quay("value:1", "ui:1", "post:2", "flux:1", f"fixed@{_DIGEST}")
        | _hub("redis:7", "same:9"),
    ),
    "argo cd": Project(
        {"set.yaml": _ARGO_CD},
        NONE,
        _quay("object:1", "parameter:1", "side:1") | _hub("nginx:1.25", "bare:2"),
    ),
    "fleet": Project({"bundle.yaml": _FLEET}, NONE, _quay("fleet:1") | _hub("bundled:1")),
    "operator": Project(
        {"operator.yaml": _OPERATOR},
        _quay("operator:1"),
        _quay("init:latest", "a:1", "b:2", f"related@{_DIGEST}", "kafka:3.6.0", "kafka:3.7.0")
        | _quay("other:2", "embedded:1", "proxy:stable")
        | _hub("agent:1", "worker:4", "tagged:2", "short:5", "sidecar:1", "property:1"),
    ),
    "resources": Project(
        {"thing.yaml": _RESOURCES},
        _quay(f"agent@{_DIGEST}") | _hub("logger:2"),
        _quay("base:v2", "database:1", "tools:5", "api:1") | _hub("web:2"),
    ),
}

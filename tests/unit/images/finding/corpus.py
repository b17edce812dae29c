"""Manifests after the shapes of well-known projects: what each needs, and what of that is guessed.

The objects are made up; where a project names its images, and in what form, is as in its releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST = "sha256:" + "ab" * 32


@dataclass(frozen=True)
class Project:
    """What a project ships.

    Attributes:
        files: by name.
        sure: the images that a runtime will be asked for.
        guessed: those that only look like one.
    """

    files: Mapping[str, str]
    sure: frozenset[str]
    guessed: frozenset[str] = frozenset()


_CALICO = """\
# One file of many documents, images in init containers of a DaemonSet.
kind: ConfigMap
apiVersion: v1
metadata: {name: calico-config, namespace: kube-system}
data:
  typha_service_name: "none"
  cni_network_config: |-
    {"name": "k8s-pod-network", "plugins": [{"type": "calico", "mtu": __CNI_MTU__}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: felixconfigurations.crd.projectcalico.org}
spec:
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        properties:
          image:
            description: "An image such as nginx:1.2."
            type: string
---
kind: DaemonSet
apiVersion: apps/v1
metadata: {name: calico-node, namespace: kube-system}
spec:
  template:
    spec:
      initContainers:
        - name: upgrade-ipam
          image: docker.io/calico/cni:v3.27.0
          command: ["/opt/cni/bin/calico-ipam", "-upgrade"]
        - name: install-cni
          image: docker.io/calico/cni:v3.27.0
        - {name: mount-bpffs, image: "docker.io/calico/node:v3.27.0", command: [calico-node, -init]}
      containers:
        - name: calico-node
          image: docker.io/calico/node:v3.27.0
          env:
            - {name: CALICO_NETWORKING_BACKEND, value: bird}
            - {name: IP_AUTODETECTION_METHOD, value: "first-found"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: calico-kube-controllers}
spec:
  template:
    spec:
      tolerations: [{key: node-role.kubernetes.io/master, effect: NoSchedule}]
      containers:
      - name: calico-kube-controllers
        image: docker.io/calico/kube-controllers:v3.27.0
        imagePullPolicy: IfNotPresent
"""

_CILIUM_VALUES = f"""\
# Tags and digests stand apart; a digest counts only where useDigest says so.
image:
  override: ~
  repository: quay.io/cilium/cilium
  tag: v1.15.4
  pullPolicy: IfNotPresent
  digest: "{_DIGEST}"
  useDigest: true
hubble:
  relay:
    image: {{override: ~, repository: quay.io/cilium/hubble-relay, tag: v1.15.4, useDigest: false}}
  ui:
    backend:
      image: {{repository: quay.io/cilium/hubble-ui-backend, tag: v0.13.0}}
operator:
  image: {{repository: quay.io/cilium/operator, tag: v1.15.4, suffix: ""}}
certgen:
  image: {{repository: quay.io/cilium/certgen, tag: v0.1.11}}
tolerations: [{{operator: Exists}}]
agentNotReadyTaintKey: node.cilium.io/agent-not-ready
"""

_CERT_MANAGER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cert-manager}
spec:
  template:
    spec:
      containers:
        - name: cert-manager-controller
          image: "quay.io/jetstack/cert-manager-controller:v1.14.4"
          args:
          - --v=2
          - --cluster-resource-namespace=$(POD_NAMESPACE)
          - --acme-http01-solver-image=quay.io/jetstack/cert-manager-acmesolver:v1.14.4
          - --max-concurrent-challenges=60
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cert-manager-webhook}
spec:
  template:
    spec:
      containers:
        - {name: webhook, image: "quay.io/jetstack/cert-manager-webhook:v1.14.4"}
"""

_RELOADER = "quay.io/prometheus-operator/prometheus-config-reloader:v0.70.0"
_PROMETHEUS = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: prometheus-operator}}
spec:
  template:
    spec:
      containers:
      - args:
        - --kubelet-service=kube-system/kubelet
        - --prometheus-config-reloader={_RELOADER}
        image: quay.io/prometheus-operator/prometheus-operator:v0.70.0
        name: prometheus-operator
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {{name: k8s}}
spec:
  image: quay.io/prometheus/prometheus:v2.48.1
  version: 2.48.1
  replicas: 2
---
apiVersion: monitoring.coreos.com/v1
kind: Alertmanager
metadata: {{name: main}}
spec:
  image: quay.io/prometheus/alertmanager
  version: v0.26.0
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: grafana-dashboard}}
data:
  kubelet.json: |
    {{"title": "Kubelet", "panels": [{{"type": "graph", "targets": [{{"expr": "rate(x[5m])"}}]}}]}}
"""

_ISTIO = """\
# The sidecar's image is in a template, made of what the values beside it say.
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-sidecar-injector}
data:
  config: |-
    templates:
      sidecar: |
        spec:
          containers:
          - name: istio-proxy
            image: "{{ annotation .ObjectMeta `proxyImage` .Values.global.proxy.image }}"
  values: |-
    {
      "global": {
        "hub": "docker.io/istio",
        "tag": "1.20.3",
        "proxy": {"image": "proxyv2", "logLevel": "warning"},
        "proxy_init": {"image": "proxyv2"}
      }
    }
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod}
spec:
  template:
    spec:
      containers:
      - {name: discovery, image: "docker.io/istio/pilot:1.20.3"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway}
spec:
  template:
    metadata:
      annotations: {inject.istio.io/templates: gateway}
    spec:
      containers:
      - {name: istio-proxy, image: auto}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: own}
spec:
  hub: registry.example.org/istio
  tag: 1.20.3-own
  values:
    global:
      proxy: {image: proxyv2}
"""

_ARGO = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: workflow-controller}}
spec:
  template:
    spec:
      containers:
      - name: workflow-controller
        image: quay.io/argoproj/workflow-controller:v3.5.5
        args: [--executor-image, "quay.io/argoproj/argoexec:v3.5.5"]
---
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{generateName: hello-}}
spec:
  entrypoint: main
  templates:
  - name: main
    container: {{image: "docker/whalesay:latest", command: [cowsay]}}
  - name: script
    script: {{image: "python:alpine3.6", source: "print(1)"}}
  - name: pinned
    container: {{image: "alpine@{_DIGEST}"}}
---
apiVersion: argoproj.io/v1alpha1
kind: ArgoCD
metadata: {{name: example}}
spec:
  image: quay.io/argoproj/argocd
  version: v2.10.4
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: app}}
spec:
  source:
    repoURL: https://charts.example.org
    chart: web
    kustomize: {{images: ["quay.io/org/web:1.2"]}}
    helm:
      values: |
        image:
          repository: quay.io/org/helmed
          tag: "7"
"""

_METALLB = """\
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: DaemonSet
  metadata: {name: speaker}
  spec:
    template:
      spec:
        containers: [{name: speaker, image: "metallb/speaker:v0.8.3"}]
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: controller
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"kind":"Deployment","spec":{"containers":[{"image":"metallb/controller:v0.1.0"}]}}
  spec:
    template:
      spec:
        containers: [{name: controller, image: metallb/controller}]
  status: {containerStatuses: [{image: "metallb/controller:gone"}]}
"""

_OLM = f"""\
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata:
  name: thing.v1
  annotations: {{containerImage: "quay.io/org/thing-operator:v1"}}
spec:
  relatedImages:
  - {{name: agent, image: "quay.io/org/agent@{_DIGEST}"}}
  install:
    spec:
      deployments:
      - spec:
          template:
            spec:
              containers:
              - name: manager
                image: quay.io/org/thing-operator:v1
                env:
                - {{name: RELATED_IMAGE_DB, value: "quay.io/org/db:13"}}
                - {{name: AGENT_IMAGE_TAG, value: "v9"}}
                - {{name: IMAGE_PULL_SECRET, value: "ns/secret:x"}}
"""

_CLOUDS = """\
# Custom resources that name images in their own ways.
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: db}
spec: {imageName: "ghcr.io/cloudnative-pg/postgresql:16.2"}
---
apiVersion: nvidia.com/v1
kind: ClusterPolicy
metadata: {name: gpu}
spec:
  driver: {repository: nvcr.io/nvidia, image: driver, version: "550.54"}
---
apiVersion: cdi.kubevirt.io/v1beta1
kind: DataVolume
metadata: {name: disk}
spec: {source: {registry: {url: "docker://quay.io/containerdisks/fedora:39"}}}
---
apiVersion: v1
kind: Pod
metadata: {name: with-volume}
spec:
  ephemeralContainers: [{name: debug, image: busybox}]
  containers: [{name: c, image: "registry.k8s.io/pause:3.9"}]
  volumes: [{name: model, image: {reference: "quay.io/org/model:1", pullPolicy: Always}}]
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
registerWithTaints: ["node.cilium.io/agent-not-ready:NoExecute"]
imageGCHighThresholdPercent: 85
"""

_HUB = "docker.io"
CORPUS: Mapping[str, Project] = {
    "calico": Project(
        {"calico.yaml": _CALICO},
        frozenset(
            f"docker.io/calico/{each}:v3.27.0" for each in ("cni", "node", "kube-controllers")
        ),
    ),
    "cilium": Project(
        {"Chart.yaml": "name: cilium\nappVersion: 1.15.4\n", "values.yaml": _CILIUM_VALUES},
        frozenset(),
        frozenset(
            {
                f"quay.io/cilium/cilium:v1.15.4@{_DIGEST}",
                "quay.io/cilium/hubble-relay:v1.15.4",
                "quay.io/cilium/hubble-ui-backend:v0.13.0",
                "quay.io/cilium/operator:v1.15.4",
                "quay.io/cilium/certgen:v0.1.11",
            }
        ),
    ),
    "cert-manager": Project(
        {"cert-manager.yaml": _CERT_MANAGER},
        frozenset(
            f"quay.io/jetstack/cert-manager-{each}:v1.14.4" for each in ("controller", "webhook")
        ),
        frozenset({"quay.io/jetstack/cert-manager-acmesolver:v1.14.4"}),
    ),
    "prometheus-operator": Project(
        {"bundle.yaml": _PROMETHEUS},
        frozenset(
            {
                "quay.io/prometheus-operator/prometheus-operator:v0.70.0",
                "quay.io/prometheus/prometheus:v2.48.1",
            }
        ),
        frozenset(
            {
                _RELOADER,
                "quay.io/prometheus/alertmanager:v0.26.0",
            }
        ),
    ),
    "istio": Project(
        {"istio.yaml": _ISTIO},
        frozenset(
            {"docker.io/istio/pilot:1.20.3", "registry.example.org/istio/proxyv2:1.20.3-own"}
        ),
        frozenset({"docker.io/istio/proxyv2:1.20.3"}),
    ),
    "argo": Project(
        {"install.yaml": _ARGO},
        frozenset(
            {
                "quay.io/argoproj/workflow-controller:v3.5.5",
                f"{_HUB}/docker/whalesay:latest",
                f"{_HUB}/library/python:alpine3.6",
                f"{_HUB}/library/alpine@{_DIGEST}",
            }
        ),
        frozenset(
            {
                "quay.io/argoproj/argoexec:v3.5.5",
                "quay.io/argoproj/argocd:v2.10.4",
                "quay.io/org/web:1.2",
                "quay.io/org/helmed:7",
            }
        ),
    ),
    "metallb": Project(
        {"metallb.yml": _METALLB},
        frozenset({f"{_HUB}/metallb/speaker:v0.8.3", f"{_HUB}/metallb/controller:latest"}),
    ),
    "olm": Project(
        {"csv.yaml": _OLM},
        frozenset({"quay.io/org/thing-operator:v1", f"quay.io/org/agent@{_DIGEST}"}),
        frozenset({"quay.io/org/db:13"}),
    ),
    "custom resources": Project(
        {"all.yaml": _CLOUDS},
        frozenset(
            {
                "nvcr.io/nvidia/driver:550.54",
                f"{_HUB}/library/busybox:latest",
                "registry.k8s.io/pause:3.9",
                "quay.io/org/model:1",
            }
        ),
        frozenset({"ghcr.io/cloudnative-pg/postgresql:16.2", "quay.io/containerdisks/fedora:39"}),
    ),
}

"""What a live cluster runs, asked by a real kubectl of an API server that is not."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import LregError
from lreg.images.finding.cluster import Cluster, find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Kind, plural, group and version: what the server says that it has.
_KINDS = [
    ("Pod", "pods", "v1"),
    ("ReplicationController", "replicationcontrollers", "v1"),
    ("Deployment", "deployments", "apps/v1"),
    ("DaemonSet", "daemonsets", "apps/v1"),
    ("StatefulSet", "statefulsets", "apps/v1"),
    ("Job", "jobs", "batch/v1"),
    ("CronJob", "cronjobs", "batch/v1"),
]


def _answers() -> dict[str, Any]:
    """What the API server says, by path."""
    groups = [
        {
            "name": name,
            "versions": [{"groupVersion": f"{name}/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": f"{name}/v1", "version": "v1"},
        }
        for name in ("apps", "batch")
    ]
    answers: dict[str, Any] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for kind, plural, version in _KINDS:
        path = f"/{'api' if version == 'v1' else 'apis'}/{version}"
        listing = answers.setdefault(
            path, {"kind": "APIResourceList", "groupVersion": version, "resources": []}
        )
        listing["resources"].append(
            {"name": plural, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
        )
        metadata = {"name": plural, "namespace": "default"}
        spec = {"template": {"spec": {"containers": [{"name": "c", "image": f"org/{plural}:1"}]}}}
        status = {"containerStatuses": [{"image": "org/was:1"}]}
        items = [] if plural == "pods" else [{"metadata": metadata, "spec": spec, "status": status}]
        answers[f"{path}/{plural}"] = {
            "kind": f"{kind}List",
            "apiVersion": version,
            "metadata": {},
            "items": items,
        }
    return answers


class _Handler(BaseHTTPRequestHandler):
    answers = _answers()

    def do_GET(self) -> None:
        """Answer."""
        found = self.answers.get(self.path.partition("?")[0])
        body = json.dumps(found or {"kind": "Status", "code": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kubeconfig with a cluster that runs one object of each kind, and one that is gone."""
    # kubectl keeps what it has learned there.
    monkeypatch.setenv("HOME", str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = {"here": f"http://127.0.0.1:{server.server_port}", "gone": "http://127.0.0.1:1"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in urls.items()],
        "users": [{"name": "u", "user": {}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "u"}} for name in urls
        ],
        "current-context": "here",
    }  # fmt: skip
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    yield file
    server.shutdown()
    server.server_close()


@pytest.mark.client("kubectl")
def test_what_it_runs(kubeconfig: Path) -> None:
    """Every kind that runs containers is asked for: what it wants, not what once ran."""
    needs = find(Cluster(kubeconfig)).needs()
    wanted = {f"docker.io/org/{plural}:1" for _, plural, _ in _KINDS} - {"docker.io/org/pods:1"}
    assert {need.image for need in needs if need.sure} == wanted
    places = [str(found.place) for need in needs for found in need.found]
    path = "the cluster: Job/jobs: spec.template.spec.containers[0].image"
    assert path in places


@pytest.mark.client("kubectl")
def test_unreachable(kubeconfig: Path) -> None:
    """A cluster that does not answer is an error in kubectl's words."""
    with pytest.raises(LregError, match=r"kubectl failed: .*refused"):
        find(Cluster(kubeconfig, "gone"))


@pytest.mark.usefixtures("no_programs")
def test_no_kubectl() -> None:
    """Without kubectl it is said that it is needed."""
    with pytest.raises(LregError, match="there is none: install it"):
        find(Cluster())

"""Whatever people have in their files: it stays, lreg is in, and undo gives every byte back."""

from __future__ import annotations

import os
import tempfile
from typing import Any
from unittest import mock

from hypothesis import given, settings

from lreg.node.merging.documents import meaning
from lreg.node.plan import Merge, NodePlan, RegistryAddress
from lreg.node.rooted import Root
from lreg.node.runtimes import files_for
from tests.unit.node import people
from tests.unit.node.keeping import assert_kept
from tests.unit.node.nodes import apply, survey, undo

PLAN = NodePlan(registry=RegistryAddress.parse("10.0.0.1:5000"), upstreams=("docker.io",))
SOME = settings(max_examples=min(60, settings().max_examples))


def tried(runtime: str, path: str, text: str, form: Merge) -> dict[str, Any]:
    """Apply beside a file, check that all of it stays and comes back; return what it means then."""
    with (
        mock.patch.object(os, "fsync"),
        tempfile.TemporaryDirectory() as folder,
    ):
        root = Root(folder)
        where = root.absolute(path)
        os.makedirs(os.path.dirname(where))
        with open(where, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        before = survey(root)
        apply(root, *files_for(runtime, PLAN), name=runtime, told=PLAN)
        with open(where, encoding="utf-8", newline="") as file:
            after = file.read()
        again = apply(root, *files_for(runtime, PLAN), name=runtime, told=PLAN)
        assert again.changes == ()
        undo(root)
        assert survey(root) == before
    found = meaning(after, form, path)
    if text.strip():
        assert_kept(meaning(text, form, path), found)
    for line in text.splitlines():
        assert line.strip().startswith("#") is False or line.strip() in after
    return found


@SOME
@given(people.daemon_json())
def test_daemon_json(text: str) -> None:
    """Docker's daemon.json."""
    found = tried("docker", "etc/docker/daemon.json", text, Merge.JSON)
    assert found["registry-mirrors"][0] == "http://10.0.0.1:5000"
    assert "10.0.0.1:5000" in found["insecure-registries"]


@SOME
@given(people.config_toml())
def test_config_toml(text: str) -> None:
    """Containerd's config.toml."""
    found = tried("containerd", "etc/containerd/config.toml", text, Merge.TOML)
    tables = [table["registry"] for table in found["plugins"].values() if "registry" in table]
    assert [table["config_path"] for table in tables] in (["/etc/containerd/certs.d"], ["/srv/h"])


@SOME
@given(people.hosts_toml())
def test_hosts_toml(text: str) -> None:
    """Containerd's hosts.toml."""
    path = "etc/containerd/certs.d/docker.io/hosts.toml"
    found = tried("containerd", path, text, Merge.TOML)
    assert next(iter(found["host"])) == "http://10.0.0.1:5000"


@SOME
@given(people.registries_conf())
def test_registries_conf(text: str) -> None:
    """registries.conf of podman, skopeo and CRI-O."""
    tried("podman", "etc/containers/registries.conf", text, Merge.TOML)
    drop_in = "etc/containers/registries.conf.d/90-ours.conf"
    found = tried("podman", drop_in, text, Merge.TOML)
    for entry in found.get("registry", []):
        if entry["location"] == "docker.io":
            assert entry["mirror"][0]["location"] == "10.0.0.1:5000/docker.io"
    if names := found.get("unqualified-search-registries"):
        assert names[0] == "10.0.0.1:5000"


@SOME
@given(people.registries_yaml())
def test_registries_yaml(text: str) -> None:
    """registries.yaml of k3s."""
    found = tried("k3s", "etc/rancher/k3s/registries.yaml", text, Merge.YAML)
    assert found["mirrors"]["docker.io"]["endpoint"][0] == "http://10.0.0.1:5000"

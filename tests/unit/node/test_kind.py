"""kind: what its cluster's file mounts is there, and the script for its nodes' hosts works."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from lreg.node.hosts import hosts_block, merge_hosts
from lreg.node.plan import Mechanism, spoofed_names
from lreg.node.runtimes import files_for
from tests.support.processes import attempt, run
from tests.unit.node.plans import UPSTREAMS, plan

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.plan import NodePlan

# docker exec -i NODE sh -c SCRIPT, in the node's folder as if that were its root.
_DOCKER = """\
#!/bin/sh
[ "$1 $2 $4 $5" = "exec -i sh -c" ] || exit 9
exec sh -c "$(printf '%s' "$6" | sed "s:/etc/hosts:$NODES/$3/hosts:g")"
"""
_KIND = """\
#!/bin/sh
[ "$*" = "get nodes --name mine" ] && printf 'one\\ntwo\\n'
"""


def test_hosts_of_every_node(tmp_path: Path) -> None:
    """The script gives all nodes of a cluster the names, in place, and again after a change."""
    for name, text in (("docker", _DOCKER), ("kind", _KIND)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    before = "127.0.0.1 localhost\n172.18.0.2 \\node\n"
    hosts = [tmp_path / node / "hosts" for node in ("one", "two")]
    for file in hosts:
        file.parent.mkdir()
        file.write_text(before)
    inodes = [file.stat().st_ino for file in hosts]
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NODES": str(tmp_path)}
    for address in ("10.0.0.1", "10.0.0.2"):
        how = plan(Mechanism.SPOOF_HTTP, registry=f"http://{address}")
        (script,) = (each for each in files_for("kind", how) if each.path == "kind-hosts.sh")
        (tmp_path / "hosts.sh").write_text(script.text)
        run("sh", str(tmp_path / "hosts.sh"), "--name", "mine", env=env)
        wanted = merge_hosts(before, hosts_block(spoofed_names(UPSTREAMS), address))
        assert [file.read_text() for file in hosts] == [wanted] * 2
    assert [file.stat().st_ino for file in hosts] == inodes


def test_a_cluster_that_there_is_not(tmp_path: Path) -> None:
    """Where there are no nodes the script fails, and does not look as if it had done anything."""
    (tmp_path / "kind").write_text("#!/bin/sh\necho 'No kind nodes found' >&2\n")
    (tmp_path / "kind").chmod(0o755)
    (script,) = (
        each for each in files_for("kind", plan(Mechanism.SPOOF_HTTP)) if each.mode == 0o755
    )
    (tmp_path / "hosts.sh").write_text(script.text)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = attempt("sh", str(tmp_path / "hosts.sh"), env=env)
    assert (said.code, said.err) == (1, "No kind nodes found\n")


@pytest.mark.parametrize("how", [plan(), plan(Mechanism.SPOOF_TLS)])
def test_what_is_mounted_is_there(how: NodePlan) -> None:
    """Every folder and file that the nodes mount is among those that are written."""
    files = {each.path: each for each in files_for("kind", how)}
    (cluster,) = YAML(typ="safe", pure=True).load_all(files["kind.yaml"].text)
    for mount in cluster["nodes"][0]["extraMounts"]:
        path = mount["hostPath"].removeprefix("./")
        assert any(name == path or name.startswith(f"{path}/") for name in files)

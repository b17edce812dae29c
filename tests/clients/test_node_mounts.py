"""`lreg node apply` on a node whose files are mounts, and on one whose disk is full."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Said, attempt, clean_environment
from tests.unit.node.nodes import DAEMON_JSON, HOSTS, make, survey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.client("namespaces")
OWN = '{"debug": true}\n'


def on_node(tmp_path: Path, *lines: str) -> Said:
    """Run shell lines in a mount namespace: $NODE is the root of a node, `lreg` runs."""
    lreg = shlex.join([sys.executable, "-m", "lreg"])
    script = "\n".join([f'lreg() {{ {lreg} "$@"; }}', "set -e", *lines])
    env = clean_environment(
        tmp_path,
        NODE=str(tmp_path / "node"),
        LOCAL_REGISTRY="10.0.0.1:80",
        APPLY="node apply docker --mechanism spoof-http --upstream docker.io",
    )
    argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    return attempt(*argv, env=env, cwd=tmp_path)


def test_files_that_are_mounts(tmp_path: Path) -> None:
    """A file that is a mount, as containers have them, is written in place, there and back."""
    root = make(tmp_path / "node", {DAEMON_JSON: "", HOSTS: ""})
    for name, text in (("daemon.json", OWN), ("hosts", "127.0.0.1 localhost\n")):
        (tmp_path / name).write_text(text)
    before = survey(root)
    said = on_node(
        tmp_path,
        f"mount --bind daemon.json $NODE/{DAEMON_JSON}",
        f"mount --bind hosts $NODE/{HOSTS}",
        "lreg $APPLY --root $NODE",
        "cat daemon.json hosts >seen",
        "lreg node undo --root $NODE",
    )
    assert said.code == 0, said
    seen = (tmp_path / "seen").read_text()
    assert '"registry-mirrors": ["http://docker.io"]' in seen
    assert "10.0.0.1 docker.io\n" in seen
    assert (tmp_path / "daemon.json").read_text() == OWN
    assert (tmp_path / "hosts").read_text() == "127.0.0.1 localhost\n"
    assert survey(root) == before


@pytest.mark.parametrize("full", ["etc", "var/lib"])
def test_a_full_disk(tmp_path: Path, full: str) -> None:
    """Without space one line says so, and nothing is changed; with space again it is done."""
    make(tmp_path / "node", {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost\n" * 300})
    (tmp_path / "disk").mkdir()
    said = on_node(
        tmp_path,
        "mount -t tmpfs -o size=64k tmpfs disk",
        f"cp -a $NODE/{full}/. disk; mount --move disk $NODE/{full}",
        f"cp -a $NODE/etc before; dd if=/dev/zero of=$NODE/{full}/filler 2>dd || true",
        "! lreg $APPLY --root $NODE 2>error",
        f"rm $NODE/{full}/filler",
        "diff -r before $NODE/etc",
        "! [ -e $NODE/var/lib/lreg-node ]",
        "lreg $APPLY --root $NODE",
        "lreg node undo --root $NODE",
        "diff -r before $NODE/etc",
    )
    assert said.code == 0, said
    error = (tmp_path / "error").read_text()
    assert error.count("\n") == 1
    assert "No space left on device: nothing was changed" in error

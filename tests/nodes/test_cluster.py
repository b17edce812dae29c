"""The cluster that the matrix stands on: it hears everything, lets nothing out, leaves nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Program, clean_environment, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.nodes.world import World
    from tests.support.cluster import Node

pytestmark = pytest.mark.client("namespaces", "curl")

MAKES_ONE = """\
import sys, time
from pathlib import Path
from tests.support.cluster import Node, Outside
folder = Path(sys.argv[1])
outside = Outside(folder / "outside")
node = Node(outside, 2, folder / "node")
daemon = node.start("sleep", "86400")
print("pids", outside.pid, node.pid, daemon.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def node(world: World) -> Iterator[Node]:
    """A node without a runtime."""
    made = world.node("bare")
    yield made
    made.close()


def test_look_ups_are_heard(world: World, node: Node) -> None:
    """A name that a node asks for is noted, so none that is noted means that none was asked."""
    before = len(world.names.asked)
    assert node.attempt("getent", "hosts", "docker.io").code == 2
    heard = {(each.by, each.name) for each in world.names.asked[before:]}
    assert heard == {(node.addresses[0], "docker.io")}


def test_no_way_out(node: Node) -> None:
    """A node reaches the bridge, by IPv4 and IPv6, and nothing else."""
    routes = node("ip", "route").out + node("ip", "-6", "route").out
    assert "default" not in routes
    assert node.attempt("ip", "route", "get", "198.51.100.1").code == 2
    for address in ("10.77.0.1", "[fd77::1]"):
        assert node("curl", "--silent", f"http://{address}:5000/healthz").code == 0


def test_nothing_of_it_is_seen_outside(node: Node) -> None:
    """What is written on a node is on no other machine, nor on this one."""
    for path in ("etc/lreg-was-here", "var/lib/lreg-was-here", "run/lreg-was-here"):
        node.write(path, "")
        assert node("cat", f"/{path}").out == ""
        assert not Path(f"/{path}").exists()
    assert f"{node.addresses[0]}/24" in node("ip", "address").out


def test_nothing_stays_after_a_crash(tmp_path: Path) -> None:
    """All of it ends when the process that made it is killed."""
    root = Path(__file__).parents[2]
    env = clean_environment(tmp_path, PYTHONPATH=str(root))
    argv = [sys.executable, "-c", MAKES_ONE, str(tmp_path)]
    maker = Program(argv, tmp_path / "maker.log", env, root)
    maker.wait_until(lambda: "pids" in maker.log)
    pids = [int(word) for word in maker.log.split()[1:]]
    maker.kill()
    eventually(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

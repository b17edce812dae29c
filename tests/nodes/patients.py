"""Nodes that the doctor looks at, and what it finds there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lreg.node.plan import Mechanism
from lreg.node.record import STATE
from tests.nodes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.nodes.runtimes import Installed

AMPLE = 90
"""Seconds for a pull that is to come, on a machine that has much else to do."""
PLACES = {
    Mechanism.MIRROR: f"http://{World.address}:5000",
    Mechanism.SPOOF_HTTP: f"http://{World.address}",
    Mechanism.SPOOF_TLS: f"https://{World.address}",
}


@dataclass
class Patient:
    """A node and its runtime.

    Attributes:
        runtime: the runtime.
        ca: the file of lreg's CA.
    """

    runtime: Installed
    ca: Path

    def hosts(self, mechanism: Mechanism) -> tuple[str, ...]:
        """Return upstreams that it can have this way: Docker 20.10 has mirrors for its Hub only."""
        only_hub = mechanism is Mechanism.MIRROR and self.runtime.client == "docker"
        return ("docker.io",) if only_hub else ("docker.io", "quay.io")

    def told(self, mechanism: Mechanism, registry: str = "") -> None:
        """Tell it where to look."""
        hosts = self.hosts(mechanism)
        options = [f"--mechanism={mechanism.value}", f"--ca={self.ca}"]
        options += [f"--registry={registry or PLACES[mechanism]}"]
        options += [f"--upstream={host}" for host in hosts]
        said = self.runtime.lreg("apply", "--reload", *options)
        assert said.code == 0, said.err

    def told_nothing(self) -> None:
        """Take back what it was told, whatever has become of that."""
        if self.runtime.node.file(STATE).exists():
            assert self.runtime.lreg("undo", "--reload", "--force").code == 0

    def holds(self, words: str) -> bool:
        """Return whether a list of its images has these words in it."""
        listing = {
            "skopeo": ("true",),
            "docker": ("docker", "image", "ls"),
            "podman": ("podman", "image", "ls"),
        }
        return words in self.runtime.node(*listing.get(self.runtime.name, ("crictl", "images"))).out

    def examined(self, *options: str, seconds: int = 20) -> Examined:
        """Have the doctor look at it.

        Args:
            options: more of the command's.
            seconds: for one pull; one that goes elsewhere may take all of them.
        """
        said = self.runtime.lreg("doctor", "--json", f"--timeout={seconds}", *options)
        assert said.code in (0, 1), said.err
        value = json.loads(said.out)
        assert value["ok"] == (said.code == 0)
        return Examined(value["runtimes"][self.runtime.name])


@dataclass
class Examined:
    """What the doctor found."""

    findings: list[dict[str, Any]]

    def red(self, check: str) -> str:
        """Return what is wrong by a check."""
        return "\n".join(
            f"{each['said']} -> {each['mend']}"
            for each in self.findings
            if each["check"] == check and not each["ok"]
        )

    def green(self, check: str) -> list[str]:
        """Return what is well by a check."""
        return [each["said"] for each in self.findings if each["check"] == check and each["ok"]]

    @property
    def all_red(self) -> list[str]:
        """Everything that is wrong."""
        return [f"{each['check']}: {each['said']}" for each in self.findings if not each["ok"]]


def kinds(*those: type[Installed]) -> list[Any]:
    """Return parameters of a fixture: runtimes, each with the mark of what it needs."""
    return [
        pytest.param(each, id=each.title.replace(" ", "-"), marks=pytest.mark.client(each.client))
        for each in those
    ]


def installed(kind: type[Installed], world: World, folder: Path) -> Iterator[Patient]:
    """Yield a runtime on a node of its own; the node goes at the end.

    Args:
        kind: which.
        world: its cluster.
        folder: for its files; its name is the node's as well.
    """
    node = world.node(folder.name, kind.binaries())
    # There is no systemd on it.
    node.write(
        "etc/containers/containers.conf",
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
    )
    made = kind(node)
    (folder / "ca.pem").write_text(world.ca)
    try:
        yield Patient(made, folder / "ca.pem")
    finally:
        made.stop()
        node.close()

"""Docker Engine 29 with its containerd image store, by every way that can work: see cells.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nodes.cells import Cells, Look
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Docker29
from tests.nodes.ways import MIRROR
from tests.support.images import artifact, attested, hello

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.nodes.cells import Told
    from tests.nodes.runtimes import Installed
    from tests.nodes.world import World
    from tests.support.images import Index

# What Docker looks for (moby, daemon/containerd/image_pull.go).
SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.mark.parametrize("patient", kinds(Docker29), indirect=True)
class TestDocker29(Cells):
    """A row of the matrix."""

    def test_attested(self, told: Told, world: World) -> None:
        """An image with attestations, as most are, comes from lreg too, and no name is asked."""
        runtime = told.runtime
        hosts = told.apply(MIRROR)
        made = {host: attested(hello(host)) for host in hosts}
        for host, each in made.items():
            world.internet[host].hold("library/attested", each, "1")
        for go in (world.go_online, world.go_offline):
            go()
            look = Look(world, runtime)
            _pull_all(runtime, "attested", made)
            look.no_names()

    def test_brought_before(self, told: Told, world: World) -> None:
        """What `lreg cache` brought is pulled when the internet is gone, whatever refers to it."""
        runtime = told.runtime
        hosts = told.apply(MIRROR)
        made = {host: attested(hello(f"brought {host}")) for host in hosts}
        world.go_online()
        for host, each in made.items():
            world.internet[host].hold("library/brought", each, "1")
            world.cache(f"{host}/library/brought:1")
        world.lose_internet()
        look = Look(world, runtime)
        _pull_all(runtime, "brought", made)
        look.no_names()

    def test_signed(self, told: Told, world: World) -> None:
        """The signatures of attestations come from lreg as well, of upstream's list of them."""
        runtime = told.runtime
        hosts = told.apply(MIRROR)
        made = {host: attested(hello(f"signed {host}")) for host in hosts}
        signatures = {
            host: artifact(each.images[-1].manifest, SIGNATURE, host.encode())
            for host, each in made.items()
        }
        for host, each in made.items():
            world.internet[host].hold("library/signed", each, "1")
            world.internet[host].hold("library/signed", signatures[host])
        for go in (world.go_online, world.go_offline):
            go()
            _pull_all(runtime, "signed", made)
        for host, signature in signatures.items():
            assert world.internet[host].requests("GET", f"/manifests/{signature.manifest.digest}")


def _pull_all(runtime: Installed, name: str, made: Mapping[str, Index]) -> None:
    """Have the image of that name pulled from each host, and forgotten again."""
    for host, each in made.items():
        assert runtime.pull(f"{host}/library/{name}:1") == each.manifest.digest
    runtime.forget()

"""VMs like xcluster's, with the private-reg overlay, take their images from lreg."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.nodes.world import PORT, World
from tests.support.images import hello
from tests.tools import build
from tests.vm.machine import Machine, initial_filesystem, with_programs
from tests.vm.overlays import make, spoofs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.images import Image

pytestmark = pytest.mark.client("qemu", "skopeo", "namespaces")

HUB, QUAY, OWN = (hello(name, 300_000) for name in ("hub", "quay", "own"))
IMAGES: dict[str, Image] = {
    "docker.io/library/alpine:3.8": HUB,
    "quay.io/org/app:1": QUAY,
    "docker.io/library/own:1": OWN,
}
RUNTIMES = Path(__file__).parent / "runtimes"
_CAME = re.compile(r"^vm: (\S+) (\S+) \S+@(\S+)\r?$", re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where lreg and the user of xcluster are."""
    return tmp_path_factory.mktemp("xcluster")


@pytest.fixture(scope="module")
def world(home: Path) -> Iterator[World]:
    """lreg, outside the VMs, with images of the internet and one of its own."""
    with World(home) as made:
        made.internet["docker.io"].hold("library/alpine", HUB, "3.8")
        made.internet["quay.io"].hold("org/app", QUAY, "1")
        made.push("library/own", OWN, "1")
        yield made


@pytest.fixture(scope="module")
def initramfs(home: Path) -> Path:
    """What a VM starts from."""
    return initial_filesystem(home)


def _runtimes(containerd: Path) -> bytes:
    """Return an overlay of containerd, crictl and skopeo that pulls the images at start."""
    skopeo = shutil.which("skopeo")
    assert skopeo
    programs = [containerd, build("crictl"), Path(skopeo)]
    return with_programs(RUNTIMES, programs, images="".join(f"{name}\n" for name in IMAGES))


def _check(folder: Path, world: World, initramfs: Path, containerd: Path, overlay: str) -> None:
    overlays = {"00runtimes": _runtimes(containerd), "01private-reg": overlay.encode()}
    since = world.mark()
    with closing(Machine(folder, initramfs, overlays, world.outside.on_network)) as machine:
        console = machine.report()
    came = {(program, image): digest for program, image, digest in _CAME.findall(console)}
    assert came == {
        (program, name): image.manifest.digest
        for program in ("containerd", "skopeo")
        for name, image in IMAGES.items()
    }, console
    asked = {pull.path for pull in world.pulls(since)}
    assert any(path.endswith("/library/own/manifests/1") for path in asked)
    assert machine.name_lookups() == []


@pytest.mark.client("containerd")
def test_spoofed(home: Path, tmp_path: Path, world: World, initramfs: Path) -> None:
    """A whole VM pulls docker.io's and quay.io's images from lreg, by spoofed names.

    containerd 1.6 by xcluster's own init script, skopeo by registries.conf: the same digests, an
    own version of an image too, and no DNS lookup leaves the VM.
    """
    said = make(home, inside=world.outside.on_network, __dns_spoof=spoofs(tmp_path))
    containerd = shutil.which("containerd")
    assert containerd
    _check(tmp_path / "vm", world, initramfs, Path(containerd), said.out)


@pytest.mark.client("containerd 2.3")
def test_mirror_ipv6(home: Path, tmp_path: Path, world: World, initramfs: Path) -> None:
    """So does one without any spoofed name, from an IPv6 registry on a port of its own.

    containerd is 2.x here; and files have the name example.com for that registry.
    """
    said = make(home, LOCAL_REGISTRY=f"[{world.address6}]:{PORT}")
    _check(tmp_path / "vm", world, initramfs, build("containerd"), said.out)

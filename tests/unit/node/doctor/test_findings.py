"""What the doctor says of pulls, names, the registry and its certificates."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lreg import certificates as own_ca
from lreg.admin.values import Sighting
from lreg.errors import LregError, Unreachable
from lreg.node.doctor import canaries, examine, network
from lreg.node.plan import Mechanism, NodeFile, NodePlan, RegistryAddress
from lreg.node.rooted import Root
from lreg.node.runtimes import files_for
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lreg.node.doctor.finding import Finding
    from tests.support.registries import Running

NONCE = re.compile(r"([^/]+)/lreg-canary/([0-9a-f]{32}):latest")
NOBODY = RegistryAddress.parse("http://127.0.0.1:1")


@dataclass
class World:
    """A runtime and a registry, and what becomes of a pull between them.

    Attributes:
        namespaces: by upstream, as which one's its pull arrives; no entry: it never does.
        trouble: by upstream, what the runtime says of it.
        off: by how many seconds the registry's clock is ahead.
        asked: what of an image the registry is asked for.
        held: the images that the runtime holds.
    """

    namespaces: dict[str, str] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    off: float = 0.0
    asked: tuple[str, ...] = ("manifests/latest", f"blobs/sha256:{'0' * 64}")
    held: set[str] = field(default_factory=set)
    seen: dict[str, list[Sighting]] = field(default_factory=dict)

    def version(self) -> str:
        """Return the runtime's."""
        return "1.7.34"

    def pull(self, image: str, seconds: float) -> None:
        """Pull."""
        assert seconds == 7
        match = NONCE.fullmatch(image)
        assert match
        host, nonce = match.groups()
        if host in self.namespaces:
            self.seen[nonce] = [
                Sighting(time.time(), "GET", asked, self.namespaces[host], "ns", "192.0.2.1:1")
                for asked in self.asked
            ]
        if host in self.trouble:
            raise LregError(self.trouble[host])
        self.held.add(image)

    def remove(self, image: str) -> None:
        """Remove."""
        self.held.remove(image)

    def clock(self) -> float:
        """Return the registry's time."""
        return time.time() + self.off

    def sightings(self, nonce: str) -> Sequence[Sighting]:
        """Return who asked."""
        return self.seen.get(nonce, [])


def pull(world: World, host: str = "localhost") -> Finding:
    """Return what is found of the pull of one upstream's canary."""
    (finding,) = canaries.pulled(world, [host], world, 7)
    assert not world.held
    return finding


def test_a_pull_that_came() -> None:
    """A pull that the registry saw is green, with the sign and the client."""
    finding = pull(World({"quay.io": "quay.io"}), "quay.io")
    assert finding.ok
    assert "quay.io: came here, by ?ns=" in finding.said


def test_an_interrupted_doctor() -> None:
    """Ctrl-C while canaries are pulled leaves none of them in the runtime."""

    class Interrupted(World):
        def pull(self, image: str, seconds: float) -> None:
            if image.startswith("quay.io/"):
                raise KeyboardInterrupt
            super().pull(image, seconds)

    world = Interrupted({"ghcr.io": "ghcr.io"})
    with pytest.raises(KeyboardInterrupt):
        list(canaries.pulled(world, ["ghcr.io", "quay.io"], world, 7))
    assert world.seen
    assert not world.held


def test_an_upstream_with_a_port() -> None:
    """An upstream whose images' names have a port is known to the registry without it."""
    finding = pull(World({"registry.example:5000": "registry.example"}), "registry.example:5000")
    assert finding.ok, finding.said


def test_a_pull_that_went_elsewhere() -> None:
    """A pull that works and was not seen is red, with the addresses that it may have gone to."""
    finding = pull(World())
    assert not finding.ok
    assert "went elsewhere" in finding.said
    assert "localhost is 127.0.0.1" in finding.said.replace("::1 ", "")
    assert finding.mend


def test_a_pull_whose_content_came_from_elsewhere() -> None:
    """A mirror that is for looking names up only is red: a real image would not come from here."""
    finding = pull(World({"quay.io": "quay.io"}, asked=("manifests/latest",)), "quay.io")
    assert not finding.ok
    assert "only the name was looked up here" in finding.said


def test_a_pull_that_went_nowhere() -> None:
    """A pull that fails without being seen is red, with the runtime's words."""
    finding = pull(World(trouble={"localhost": "dial tcp: refused"}))
    assert "never came here" in finding.said
    assert "the runtime says: dial tcp: refused" in finding.said


def test_a_pull_that_failed_after_it_came() -> None:
    """A pull that was seen and fails all the same is red: the way to lreg is not the fault."""
    finding = pull(World({"localhost": "localhost"}, {"localhost": "unpacking: no space"}))
    assert "came here and failed all the same" in finding.said
    assert "no space" in finding.said


def test_a_pull_as_another_upstreams() -> None:
    """A mirror that does not say whose image is meant would bring another one's: that is red."""
    finding = pull(World({"quay.io": "docker.io"}), "quay.io")
    assert not finding.ok
    assert "quay.io: the pull came here as one of docker.io" in finding.said


@pytest.mark.parametrize(("off", "ok"), [(0, True), (-120, True), (3600, False), (-3600, False)])
def test_clocks(off: float, *, ok: bool) -> None:
    """Clocks that are far apart are told, whichever is wrong."""
    plan = NodePlan(registry=NOBODY, upstreams=("quay.io",))
    *_, clock = network.registry(plan, World(off=off))
    assert (clock.check, clock.ok) == ("clock", ok)


def test_a_registry_that_is_not_there() -> None:
    """A registry that does not answer is red, with what to do there."""

    class Gone(World):
        def clock(self) -> float:
            raise Unreachable("127.0.0.1:1 refuses connections")

    plan = NodePlan(registry=NOBODY, upstreams=("quay.io",))
    (finding,) = network.registry(plan, Gone())
    assert "http://127.0.0.1:1 does not answer" in finding.said
    assert "start lreg there" in finding.mend


def test_a_runtime_that_is_not_there(tmp_path: Path) -> None:
    """Without the runtime nothing else is looked at."""

    class Down(World):
        def version(self) -> str:
            raise LregError("/run/containerd/containerd.sock: No such file or directory")

    world = Down()
    plan = NodePlan(registry=NOBODY, upstreams=("quay.io",))
    (finding,) = examine("containerd", plan, world, world, Root(tmp_path), 7)
    assert (finding.check, finding.ok, finding.mend) == ("runtime", False, "start it")


def test_names() -> None:
    """Each name that is to mean the registry has to, and to mean nothing else."""
    here = RegistryAddress.parse("http://127.0.0.1:5000")
    plan = NodePlan(registry=here, upstreams=("quay.io",), name="ip4-localhost.invalid")
    (finding,) = network.names(plan)
    assert not finding.ok
    assert "ip4-localhost.invalid is nowhere here" in finding.said
    assert "`127.0.0.1 ip4-localhost.invalid`" in finding.mend
    elsewhere = replace(plan, name="localhost", registry=RegistryAddress.parse("http://192.0.2.7"))
    (finding,) = network.names(elsewhere)
    assert "127.0.0.1" in finding.said
    assert "not 192.0.2.7" in finding.said


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A registry with TLS."""
    running = start_lreg(tmp_path_factory.mktemp("encrypted"), tls=True)
    yield running
    running.stop()


def certificates(running: Running, root: Path, ca: str, *hosts: str) -> list[Finding]:
    """Return what is found of the certificates on a node that trusts `ca`."""
    plan = NodePlan(
        registry=RegistryAddress.parse(running.url),
        upstreams=hosts,
        mechanism=Mechanism.SPOOF_TLS,
        ca=ca,
    )
    files = files_for("podman", plan)
    for file in files:
        (root / file.path).parent.mkdir(parents=True, exist_ok=True)
        (root / file.path).write_text(file.text)
    return list(network.tls(plan, files, Root(root)))


def test_certificates(encrypted: Running, tmp_path: Path) -> None:
    """Who trusts the registry's CA trusts it under every spoofed name, Docker Hub's others too."""
    assert encrypted.ca
    found = certificates(encrypted, tmp_path, encrypted.ca.read_text(), "docker.io", "quay.io")
    assert [each.ok for each in found] == [True] * 4, found


@pytest.mark.parametrize(("days", "ok"), [(400, None), (100, True), (10, False), (-1, False)])
def test_a_ca_that_ends(
    encrypted: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, ok: bool | None
) -> None:
    """A CA that ends within half a year is told, and is red in its last month."""
    monkeypatch.setattr(own_ca, "_CA_LIFE", timedelta(days=days, hours=1))
    if days < 0:
        with pytest.raises(LregError, match="has ended"):
            own_ca.ensure_ca(tmp_path / "ca")
    else:
        own_ca.ensure_ca(tmp_path / "ca")
    text = (tmp_path / "ca/ca.pem").read_text()
    found = certificates(encrypted, tmp_path / "node", text, "quay.io")[:-1]
    assert [each.ok for each in found] == ([] if ok is None else [ok])
    words = "has ended" if days < 0 else f"ends in {days} days"
    assert all(words in each.said for each in found)


def test_another_ca(encrypted: Running, tmp_path: Path) -> None:
    """A node that trusts the CA of another lreg is told to take this one's."""
    other = start_lreg(tmp_path, tls=True)
    assert other.ca
    text = other.ca.read_text()
    other.stop()
    (finding,) = certificates(encrypted, tmp_path / "node", text, "quay.io")
    assert not finding.ok
    assert "`lreg ca` there" in finding.mend


def test_a_name_that_is_not_allowed_there(encrypted: Running, tmp_path: Path) -> None:
    """A spoofed name that the registry has off its list is told by the handshake."""
    assert encrypted.ca
    (finding,) = certificates(encrypted, tmp_path, encrypted.ca.read_text(), "evil.example")
    assert "unrecognized name" in finding.said
    assert "lreg.toml" in finding.mend


def test_a_ca_that_is_not_there(encrypted: Running, tmp_path: Path) -> None:
    """A CA that nobody wrote is red, with its path."""
    assert encrypted.ca
    plan = NodePlan(
        registry=RegistryAddress.parse(encrypted.url),
        upstreams=("quay.io",),
        mechanism=Mechanism.SPOOF_TLS,
        ca=encrypted.ca.read_text(),
    )
    files = [NodeFile("etc/ca.crt", plan.ca or "")]
    (finding,) = network.tls(plan, files, Root(tmp_path))
    assert "No such file" in finding.said

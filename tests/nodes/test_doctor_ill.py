"""`lreg node doctor` on nodes that are told wrong: what it says is what is wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lreg.node.plan import Mechanism
from lreg.node.runtimes import RUNTIMES
from tests.nodes.patients import PLACES, Patient, installed, kinds
from tests.nodes.runtimes import Containerd1, Docker, Podman
from tests.nodes.world import World
from tests.support.processes import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.client("namespaces")

# Another registry that nobody meant: the internet that a node should not see.
ELSEWHERE = "10.77.0.1:5999"
CRI_HOSTS = "etc/containerd/certs.d"


@pytest.fixture(scope="module", params=kinds(Containerd1, Docker, Podman))
def some(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patient]:
    """A runtime of each family, on a node of its own."""
    yield from installed(request.param, world, tmp_path_factory.mktemp("ill"))


@pytest.fixture(scope="module")
def containerd(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """Debian's containerd on a node."""
    yield from installed(Containerd1, world, tmp_path_factory.mktemp("containerd"))


@pytest.fixture
def patient(some: Patient) -> Iterator[Patient]:
    """Each of them, told nothing; in the end what it was told is taken back."""
    yield some
    some.told_nothing()


@pytest.fixture
def cri(containerd: Patient) -> Iterator[Patient]:
    """containerd, told nothing; in the end what it was told is taken back."""
    yield containerd
    containerd.told_nothing()


@pytest.fixture
def elsewhere(world: World, tmp_path: Path) -> Iterator[None]:
    """Another registry on the bridge, which has an image of any canary's name too."""
    argv = [*world.outside.on_network, sys.executable, "-m", "lreg", "serve", "--offline"]
    argv += ["--store", str(tmp_path / "store"), "--allow-anonymous-push"]
    argv += ["--listen", f"http://{ELSEWHERE}"]
    program = Program(argv, tmp_path / "lreg.log", clean_environment(tmp_path), tmp_path)
    program.wait_until(lambda: "listening on" in program.log)
    yield
    assert program.stop() == 0


def test_a_wrong_port(patient: Patient) -> None:
    """Where nobody listens, that is said, and that no pull came; the exit code is 1."""
    patient.told(Mechanism.MIRROR, f"http://{World.address}:5001")
    examined = patient.examined()
    assert "http://10.77.0.1:5001 does not answer" in examined.red("registry")
    assert "lreg can't tell whether it came" in examined.red("pull")
    assert not examined.green("pull")


def test_a_node_that_was_never_told(patient: Patient) -> None:
    """A node that knows nothing of lreg is red: its pull goes where the internet would be."""
    told = (f"--registry={PLACES[Mechanism.MIRROR]}", "--upstream=docker.io")
    examined = patient.examined(*told)
    assert examined.red("files")
    assert "docker.io: the pull never came here; docker.io is nowhere here" in examined.red("pull")
    assert "the runtime says: " in examined.red("pull")


def test_the_runtime_is_found(patient: Patient) -> None:
    """Without a runtime's name the one that this node has is looked at."""
    argv = (sys.executable, "-m", "lreg", "node", "doctor", "--timeout=1", "--upstream=docker.io")
    said = patient.runtime.node.attempt(*argv, f"--registry={PLACES[Mechanism.MIRROR]}")
    assert said.out.splitlines()[0].split()[:2] == ["ok", "runtime"]
    title = RUNTIMES[patient.runtime.name].title
    assert said.out.splitlines()[0].split(maxsplit=2)[2].startswith(title)


@pytest.mark.client("containerd 1.6")
@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (f"{CRI_HOSTS}/quay.io/hosts.toml", "[host.", "passes it over and asks the internet"),
        (
            f"{CRI_HOSTS}/quay.io/hosts.toml",
            'server = "https://quay.io"\n[host."http://10.77.0.1:5000"]\ncapabilities = ["pull"]\n',
            "lacks the capability 'resolve'",
        ),
        ("etc/containerd/config.toml", "version = 2\n", "sets no config_path"),
    ],
    ids=["broken", "no resolve", "no config_path"],
)
def test_files_that_containerd_ignores(cri: Patient, path: str, text: str, words: str) -> None:
    """A file that containerd passes over is red by itself, and so is the pull that it lets go."""
    cri.told(Mechanism.MIRROR)
    cri.runtime.node.write(path, text)
    cri.runtime.restart()
    examined = cri.examined()
    assert words in examined.red("files")
    assert "quay.io: the pull never came here" in examined.red("pull")


@pytest.mark.client("containerd 1.6")
@pytest.mark.usefixtures("elsewhere")
def test_a_pull_that_works_elsewhere(cri: Patient) -> None:
    """A pull that succeeds at another registry is red, though the runtime is content with it."""
    cri.told(Mechanism.MIRROR)
    path = f"{CRI_HOSTS}/quay.io/hosts.toml"
    file = cri.runtime.node.file(path)
    cri.runtime.node.write(path, file.read_text().replace("10.77.0.1:5000", ELSEWHERE))
    examined = cri.examined()
    assert f"it sends quay.io to http://{ELSEWHERE}" in examined.red("files")
    assert "was edited" in examined.red("files") or "is not as" in examined.red("files")
    assert "quay.io: the pull went elsewhere and found an image there" in examined.red("pull")
    assert ["docker.io" in each for each in examined.green("pull")] == [True]


@pytest.mark.client("containerd 1.6")
def test_a_spoofed_name_that_is_lost(cri: Patient) -> None:
    """A hosts file that lost a name is red for that name, with the line that it needs."""
    cri.told(Mechanism.SPOOF_TLS)
    hosts = cri.runtime.node.file("etc/hosts")
    hosts.write_text(hosts.read_text().replace("10.77.0.1 quay.io\n", ""))
    examined = cri.examined()
    assert "quay.io is nowhere here" in examined.red("names")
    assert "`10.77.0.1 quay.io`" in examined.red("names")
    assert "quay.io: the pull never came here; quay.io is nowhere here" in examined.red("pull")


@pytest.mark.client("containerd 1.6")
def test_what_a_person_reads(cri: Patient) -> None:
    """On a terminal each check is a line, and each fault is followed by its mend."""
    cri.told(Mechanism.MIRROR)
    said = cri.runtime.lreg("doctor")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("ok    runtime   containerd 1.6")
    assert all(line.startswith("ok    ") for line in lines)
    cri.runtime.node.write(f"{CRI_HOSTS}/quay.io/hosts.toml", "")
    said = cri.runtime.node.attempt(sys.executable, "-m", "lreg", "node", "doctor")
    assert said.code == 1
    faults = [line for line in said.out.splitlines() if line.startswith("FAIL  ")]
    assert len(faults) == len([line for line in said.out.splitlines() if " -> " in line])

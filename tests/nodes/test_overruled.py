"""Real runtimes that heed something later than lreg's files: what apply and doctor do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lreg.node.plan import Mechanism
from tests.nodes.patients import AMPLE, PLACES, Patient, installed, kinds
from tests.nodes.runtimes import Crio, Docker, Podman
from tests.support.images import hello

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.nodes.world import World

pytestmark = pytest.mark.client("namespaces")

DROP_IN = "etc/containers/registries.conf.d/99-corp.conf"
OWN = "run/root/.config/containers"
# Settings that would undo lreg's: another mirror, another place for names without a registry.
CORP = """\
unqualified-search-registries = ["quay.io"]
short-name-mode = "enforcing"
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "10.77.0.1:5999/hub"
"""


@pytest.fixture(scope="module")
def patient(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patient]:
    """The runtime that a test is for, on a node of its own."""
    yield from installed(request.param, world, tmp_path_factory.mktemp("overruled"))


@pytest.fixture
def told_nothing(patient: Patient) -> Iterator[None]:
    """In the end what the runtime was told is taken back."""
    yield
    patient.told_nothing()


def pulls_both(patient: Patient, world: World) -> None:
    """Have it pull by a name with a registry, and by one without, what is to come from lreg."""
    own, tag = hello(f"overruled {patient.runtime.title}"), "overruled"
    world.go_online()
    for name in ("later", "library/later"):
        world.push(name, own, tag)
    for name in (f"docker.io/library/later:{tag}", f"later:{tag}"):
        assert patient.runtime.pull(name) == own.manifest.digest
        patient.runtime.forget()


@pytest.mark.usefixtures("told_nothing")
@pytest.mark.parametrize("patient", kinds(Crio, Podman), indirect=True)
def test_drop_ins_that_are_read_later(patient: Patient, world: World) -> None:
    """What later files say otherwise is changed there: pulls come from lreg, and all is green."""
    node = patient.runtime.node
    own = '[crio.image]\nshort_name_mode = "enforcing"\n'
    files = {DROP_IN: CORP, f"{OWN}/registries.conf.d/own.conf": CORP}
    if patient.runtime.name == "crio":
        files["etc/crio/crio.conf.d/99-corp.conf"] = own
    for path, text in files.items():
        node.write(path, text)
    patient.runtime.restart()
    patient.told(Mechanism.MIRROR)
    pulls_both(patient, world)
    assert patient.examined(seconds=AMPLE).all_red == []
    patient.told_nothing()
    for path, text in files.items():
        assert node.file(path).read_text() == text
        node.file(path).unlink()


@pytest.mark.usefixtures("told_nothing")
@pytest.mark.parametrize("patient", kinds(Crio, Podman), indirect=True)
def test_a_file_that_is_read_instead(patient: Patient) -> None:
    """A registries.conf at home hides all of lreg's: apply refuses, and the doctor is red."""
    node = patient.runtime.node
    patient.told(Mechanism.MIRROR)
    node.write(f"{OWN}/registries.conf", "")
    patient.runtime.restart()
    examined = patient.examined()
    assert "is read instead of all in /etc/containers" in examined.red("files")
    assert "the pull never came here" in examined.red("pull")
    said = patient.runtime.lreg("apply", f"--registry={PLACES[Mechanism.MIRROR]}")
    assert said.code == 1
    assert "is read instead of all in /etc/containers" in said.err
    node.file(f"{OWN}/registries.conf").unlink()
    patient.runtime.restart()
    assert patient.examined(seconds=AMPLE).all_red == []


@pytest.mark.parametrize("patient", kinds(Podman), indirect=True)
def test_a_proxy(patient: Patient) -> None:
    """A runtime that would ask a proxy for lreg is not told; one that got a proxy later is red."""
    where = (f"--registry={PLACES[Mechanism.MIRROR]}", "--upstream=docker.io")
    doctor = (sys.executable, "-m", "lreg", "node", "doctor", "podman", *where)
    apply = (sys.executable, "-m", "lreg", "node", "apply", "podman", *where)
    node, proxy = patient.runtime.node, {"http_proxy": "http://10.77.0.1:1"}
    said = node.attempt(*apply, **proxy)
    assert (said.code, "asks a proxy for 10.77.0.1" in said.err) == (1, True)
    assert node.attempt(*apply).code == 0
    try:
        said = node.attempt(*doctor, "--timeout=20", **proxy)
        assert said.code == 1
        assert "podman has HTTP_PROXY (this shell)" in said.out
        assert "the pull never came here" in said.out
        left_out = {**proxy, "no_proxy": "10.77.0.0/16"}
        said = node.attempt(*doctor, f"--timeout={AMPLE}", **left_out)
        assert said.code == 0, said.out
    finally:
        patient.told_nothing()


@pytest.mark.parametrize("patient", kinds(Docker), indirect=True)
def test_a_flag_beside_its_key(patient: Patient) -> None:
    """Dockerd that was started with a flag takes no such key beside it: apply refuses."""
    node, runtime = patient.runtime.node, patient.runtime
    assert isinstance(runtime, Docker)
    runtime.flags = (*runtime.flags, "--insecure-registry=10.9.9.9:5000")
    runtime.restart()
    where = (f"--registry={PLACES[Mechanism.MIRROR]}", "--upstream=docker.io")
    said = runtime.lreg("apply", *where)
    assert said.code == 1
    assert "--insecure-registry 10.9.9.9:5000 (process" in said.err
    examined = patient.examined(*where)
    assert "take the flag out there" in examined.red("files")
    runtime.stop()
    node.write("etc/docker/daemon.json", '{"insecure-registries": ["10.77.0.1:5000"]}')
    refused = node.attempt("dockerd", *runtime.flags)
    assert "specified both as a flag and in the configuration file" in refused.err

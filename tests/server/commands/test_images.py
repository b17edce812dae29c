"""`lreg images`, `missing`, `preload` and `has`: what manifests need, and whether it is here."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault
from tests.support.images import hello, multi_arch
from tests.unit.images.finding.test_manifests import POD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.server.commands.conftest import Lreg

GUESS = "kind: ConfigMap\nmetadata: {name: c}\ndata: {sidecar-image: 'quay.io/org/guess:1'}\n"


def manifests(folder: Path, *names: str, more: str = "") -> str:
    """Write a folder of manifests that need those images; return it."""
    made = folder / "manifests"
    made.mkdir(exist_ok=True)
    pods = [POD.format(name=f"p{n}", image=name) for n, name in enumerate(names)]
    (made / "pods.yaml").write_text("---\n".join([*pods, more] if more else pods))
    return str(made)


def test_images(lreg_here: Lreg, tmp_path: Path) -> None:
    """One image a line, its whole name; `guessed` stands after a guess, and can be left out."""
    folder = manifests(tmp_path, "alpine:3.8", "quay.io/org/app", more=GUESS)
    assert [line.split() for line in lreg_here.lines("images", folder)] == [
        ["docker.io/library/alpine:3.8"],
        ["quay.io/org/app:latest"],
        ["quay.io/org/guess:1", "guessed"],
    ]
    assert lreg_here.lines("images", folder, "--only-sure")[-1] == "quay.io/org/app:latest"
    where = lreg_here.lines("images", folder, "--where")
    assert where[1] == f"  {folder}/pods.yaml:6: Pod/p0: spec.containers[0].image"
    found = lreg_here.json("images", folder)
    assert [one["sure"] for one in found["images"]] == [True, True, False]


def test_broken_file(lreg_here: Lreg, tmp_path: Path) -> None:
    """What can't be read is a line on stderr, and no error: the list has the rest."""
    folder = manifests(tmp_path, "alpine:3.8", more="image: [")
    said = lreg_here.attempt("images", folder)
    assert (said.code, said.out) == (0, "docker.io/library/alpine:3.8\n")
    (line,) = said.err.splitlines()
    assert line.startswith(f"lreg: {folder}/pods.yaml:7: it is not YAML")


def test_kubeadm(lreg_here: Lreg) -> None:
    """What kubeadm of a version pulls is listed without kubeadm, pause among it."""
    lines = lreg_here.lines("images", "--kubeadm", "v1.30.2")
    assert "registry.k8s.io/kube-proxy:v1.30.2" in lines
    assert "registry.k8s.io/pause:3.9" in lines


def test_missing_and_preload(caching: Lreg, hub: Upstream, quay: Upstream, tmp_path: Path) -> None:
    """What manifests need and is not here is listed, asking nobody, then brought, and locked."""
    digest = hub.hold("library/alpine", hello("alpine"), "3.8")
    index = quay.hold("org/app", multi_arch("app"), "1")
    folder = manifests(tmp_path, "alpine:3.8", "quay.io/org/app:1")
    said = caching.attempt("missing", folder)
    assert (said.code, said.err) == (1, "")
    assert said.out.splitlines() == [
        "docker.io/library/alpine:3.8  it is not here",
        "quay.io/org/app:1  it is not here",
    ]
    assert hub.seen == quay.seen == []
    assert caching.attempt("has", "alpine:3.8").code == 1
    lock = tmp_path / "images.lock"
    assert caching.lines("preload", "-q", folder, "--lock", str(lock)) == []
    assert caching.lines("missing", folder) == []
    assert caching.attempt("has", "alpine:3.8", "quay.io/org/app:1").code == 0
    tables = tomllib.loads(lock.read_text())["image"]
    assert [(one["name"], one["tag"], one["digest"]) for one in tables] == [
        ("docker.io/library/alpine", "3.8", digest),
        ("quay.io/org/app", "1", index),
    ]
    assert caching.lines("missing", "--lock", str(lock)) == []


def test_a_name_that_nothing_here_can_have(lreg_here: Lreg, tmp_path: Path) -> None:
    """An image on an IPv6 address is missing like any other, and hides no other one."""
    folder = manifests(tmp_path, '"[2001:db8::1]:5000/org/app:1"', "org/other:1")
    said = lreg_here.attempt("missing", "--names-only", folder)
    assert (said.code, said.err) == (1, "")
    assert said.out.split() == ["[2001:db8::1]:5000/org/app:1", "docker.io/org/other:1"]


def test_preload_what_is_here(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """What is here is not asked for again, unless forced; a lock file has it all the same."""
    digest = hub.hold("org/app", hello("app"), "1")
    folder = manifests(tmp_path, "org/app:1")
    caching.run("preload", folder)
    lock = tmp_path / "images.lock"
    seen = len(hub.seen)
    assert caching.lines("preload", folder, "--lock", str(lock)) == [
        "0 B fetched, 0 B here already, 0.0 s"
    ]
    assert len(hub.seen) == seen
    assert digest in lock.read_text()
    assert caching.lines("preload", "--force", folder)[0] == f"docker.io/org/app:1@{digest}"


def test_own_version_is_here(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """What was pushed without a host answers for every host: it is not missing, nor fetched."""
    folder = manifests(tmp_path, "quay.io/org/own:1", "own/alpine:3.8")
    with caching.registry.wire() as wire:
        wire.push("org/own", hello("own"), "1")
        digest = wire.push("own/alpine", hello("alpine"), "3.8")
    assert caching.lines("missing", folder) == []
    host = caching.registry.host
    assert caching.attempt("has", "quay.io/org/own:1", f"{host}/own/alpine:3.8").code == 0
    lock = tmp_path / "images.lock"
    caching.run("preload", folder, "--lock", str(lock))
    assert str(digest) in lock.read_text()
    assert hub.requests("GET", "/manifests/") == []


def test_own_host_in_a_lock_file(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """Images that are named with a port, the registry's own too, can be read out of a lock file."""
    folder = manifests(tmp_path, f"{caching.registry.host}/own/app:1", "quay.io:443/org/own:1")
    with caching.registry.wire() as wire:
        wire.push("own/app", hello("app"), "1")
        wire.push("quay.io/org/own", hello("own"), "1")
    lock = tmp_path / "images.lock"
    caching.run("preload", folder, "--lock", str(lock))
    names = [one["name"] for one in tomllib.loads(lock.read_text())["image"]]
    assert names == ["own/app", "quay.io/org/own"]
    assert caching.lines("missing", "--lock", str(lock)) == []


def test_preload_stops(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """Where an image fails the command ends with its exit code, and writes no lock file.

    What was begun comes all the same. With --keep-going all the others come, and are locked.
    """
    hub.hold("m/begun", hello("begun", 8 << 20), "1")
    hub.hold("z/last", hello("last"), "1")
    hub.script.add("GET", "/blobs/", Fault(rate=2 << 20), ALWAYS)
    folder = manifests(tmp_path, "a/nowhere:1", "m/begun:1", "z/last:1")
    lock = tmp_path / "images.lock"
    argv = ("preload", folder, "--jobs", "1", "--lock", str(lock))
    said = caching.attempt(*argv)
    assert said.code == 4
    assert "a/nowhere" in said.err
    assert not lock.exists()
    assert caching.attempt("has", "z/last:1").code == 1
    assert caching.attempt(*argv, "--keep-going").code == 4
    assert caching.attempt("has", "z/last:1").code == 0
    assert "z/last" in lock.read_text()
    assert "a/nowhere" not in lock.read_text()


def test_a_wrong_guess_is_no_failure(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """An image that was only guessed, and that nobody has, is said on stderr; the rest comes."""
    hub.hold("z/sure", hello("sure"), "1")
    folder = manifests(tmp_path, "z/sure:1", more=GUESS)
    said = caching.attempt("preload", folder, "--jobs", "1")
    assert said.code == 0
    assert "quay.io/org/guess:1" in said.err
    assert "(it was guessed)" in said.err
    said = caching.attempt("missing", folder)
    assert (said.code, said.out) == (1, "quay.io/org/guess:1  it is not here  guessed\n")
    assert caching.lines("missing", "--only-sure", folder) == []


def test_platform(caching: Lreg, hub: Upstream, stage: Stage, tmp_path: Path) -> None:
    """Of an index the platforms that are named are brought, and are in the lock file."""
    index = multi_arch("platforms")
    hub.hold("org/multi", index, "1")
    lock = tmp_path / "images.lock"
    folder = manifests(tmp_path, "org/multi:1")
    caching.run("preload", folder, "--platform", "linux/s390x", "--lock", str(lock))
    (table,) = tomllib.loads(lock.read_text())["image"]
    assert table["platforms"] == ["linux/s390x"]
    child = next(one for one in index.images if one.architecture == "s390x")
    stage.leave(hub)
    with caching.registry.wire() as wire:
        wire.pull("docker.io/org/multi", child.manifest.digest)
    assert caching.lines("missing", "--lock", str(lock)) == []


@pytest.mark.client("docker-registry")
def test_another_registry(lreg_on_distribution: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """A registry that is no lreg is looked through and filled under names without the host."""
    lreg = lreg_on_distribution
    image = hello("distribution")
    hub.hold("need/app", image, "1")
    folder = manifests(tmp_path, f"{hub.host}/need/app:1")
    said = lreg.attempt("missing", folder)
    assert (said.code, said.out) == (1, f"{hub.host}/need/app:1  it is not here\n")
    lreg.run("preload", folder)
    assert lreg.lines("missing", folder) == []
    assert lreg.attempt("has", "need/app:1").code == 0
    assert lreg.attempt("has", f"{lreg.registry.host}/need/app:1").code == 0
    assert lreg.attempt("has", "need/app:2").code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("images",), "name files or folders, or use --kubeadm or --cluster"),
        (("images", "no/such"), "'no/such' is no file or folder"),
        (("images", "--kubeadm", "latest"), "'latest' is no version of Kubernetes"),
        (("images", "--kubeadm", "1.9"), "v1.9.0 is older than lreg's table"),
        (("preload",), "name files or folders, or use --kubeadm or --cluster"),
        (("missing", ".", "--lock", "x"), "name files or folders, or a --lock FILE"),
        (("preload", ".", "--platform", "linux/amd64", "--all-platforms"), "exclude each other"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str) -> None:
    """A malformed command line is one line with exit code 2."""
    assert message in lreg_here.fail(2, *arguments)


def test_overlay_by_name(lreg_here: Lreg, tmp_path: Path) -> None:
    """An overlay is found by its name along $XCLUSTER_OVLPATH."""
    overlay = tmp_path / "ovls/web/default/etc/kubernetes"
    overlay.mkdir(parents=True)
    (overlay / "web.yaml").write_text(POD.format(name="w", image="org/web:1"))
    env = {**lreg_here.env, "XCLUSTER_OVLPATH": f"/nowhere:{tmp_path}/ovls"}
    lreg = type(lreg_here)(lreg_here.registry, env, tmp_path)
    assert lreg.lines("images", "web") == ["docker.io/org/web:1"]
    assert "nor an overlay along $XCLUSTER_OVLPATH" in lreg.fail(2, "images", "none")

"""`ovl/private-reg/tar`, as xcluster's users call it, and the script that it brings to a VM."""

from __future__ import annotations

import tomllib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import Node, Outside
from tests.support.processes import attempt, clean_environment, run
from tests.support.registries import Namespace, start_lreg
from tests.vm.overlays import PRIVATE_REG, make, spoofs, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ["docker.io", "registry-1.docker.io", "index.docker.io", "registry.k8s.io", "quay.io"]
SCRIPT = "etc/init.d/28private-reg.rc"


def _hosts(text: str) -> dict[str, str]:
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {name: line[0] for line in lines for name in line[1:]}


@pytest.mark.parametrize("address", ["172.17.0.2", "fd00:2008::2"])
def test_hosts(tmp_path: Path, address: str) -> None:
    """`./tar - | tar -O -x etc/hosts` shows the names of $__dns_spoof, with the registry's address.

    With docker.io come the names under which Docker Hub is asked; localhost stays.
    """
    said = make(tmp_path, LOCAL_REGISTRY=address, __dns_spoof=spoofs(tmp_path))
    shown = run(
        "tar", "-O", "-x", "etc/hosts", env=clean_environment(tmp_path), stdin=said.out.encode()
    )
    hosts = _hosts(shown.out)
    assert hosts.items() >= dict.fromkeys([*NAMES, "example.com"], address).items()
    assert "localhost" in hosts


def test_hosts_of_windows(tmp_path: Path) -> None:
    """A file whose lines end as on Windows has the same names."""
    (file := tmp_path / "windows").write_bytes(b"Docker.io\r\nk8s.gcr.io # old\r\n")
    said = make(tmp_path, LOCAL_REGISTRY="172.17.0.2", __dns_spoof=str(file))
    lines = texts(said.out)["etc/spoofed-hosts"].splitlines()
    assert {"172.17.0.2 docker.io", "172.17.0.2 k8s.gcr.io"} <= set(lines)


def test_spoofed_hosts(tmp_path: Path) -> None:
    """etc/spoofed-hosts has a name a line and nothing else: containerd's init script reads it.

    That script makes config.toml by adding to it, so the overlay has none.
    """
    held = texts(make(tmp_path, LOCAL_REGISTRY="172.17.0.2", __dns_spoof=spoofs(tmp_path)).out)
    lines = [f"172.17.0.2 {name}" for name in [*NAMES, "example.com"]]
    assert held["etc/spoofed-hosts"].splitlines() == lines
    assert "etc/containerd/config.toml" not in held


@pytest.mark.parametrize(
    ("registry", "location"),
    [
        ("172.17.0.2:5000", "example.com:5000"),
        ("http://172.17.0.2:5000/", "example.com:5000"),
        ("[fd00:2008::2]:5000", "example.com:5000"),
        ("[fd00:2008::2]", "example.com"),
        ("fd00:2008::2", "example.com"),
    ],
)
def test_mirror(tmp_path: Path, registry: str, location: str) -> None:
    """Without $__dns_spoof the registry is a mirror, on any port, IPv6 by the name example.com."""
    held = texts(make(tmp_path, LOCAL_REGISTRY=registry).out)
    config = tomllib.loads(held["etc/private-reg/registries.conf"])
    assert config["unqualified-search-registries"] == [location, "docker.io"]
    [hub] = [each for each in config["registry"] if each["location"] == "docker.io"]
    assert hub["mirror"] == [{"location": f"{location}/docker.io", "insecure": True}]
    address = "fd00:2008::2" if "fd00" in registry else "172.17.0.2"
    assert held["etc/spoofed-hosts"] == f"{address} example.com\n"
    assert f'"http://{location}' in held["etc/containerd/certs.d/docker.io/hosts.toml"]


@pytest.mark.parametrize("registry", ["172.17.0.2", "172.17.0.2:5000"])
def test_by_address(tmp_path: Path, registry: str) -> None:
    """Images may be named after an IPv4 registry's address: it needs no TLS there either."""
    config = tomllib.loads(
        texts(make(tmp_path, LOCAL_REGISTRY=registry).out)["etc/private-reg/registries.conf"]
    )
    assert {"location": registry, "insecure": True} in config["registry"]


def test_out_file(tmp_path: Path) -> None:
    """An out-file gets the same bytes as stdout, every time, and then stdout gets none."""
    env = {"LOCAL_REGISTRY": "172.17.0.2", "__dns_spoof": spoofs(tmp_path)}
    said = make(tmp_path, **env)
    assert make(tmp_path, str(tmp_path / "private-reg.tar"), **env).out == ""
    assert (tmp_path / "private-reg.tar").read_bytes() == said.out.encode()
    assert said.err == ""


def test_prefix(tmp_path: Path) -> None:
    """$PREFIX goes along for VMs that are told none."""
    made = make(tmp_path, LOCAL_REGISTRY="172.17.0.2", PREFIX="1000::1")
    assert texts(made.out)["etc/private-reg/prefix"] == "PREFIX=1000::1\n"


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({}, "no lreg runs here: `lreg start` one"),
        ({"LOCAL_REGISTRY": "127.0.0.1:80"}, "VMs can't reach 127.0.0.1"),
        ({"LOCAL_REGISTRY": "[::1]"}, "VMs can't reach ::1"),
        ({"LOCAL_REGISTRY": "no.such.invalid"}, "can't resolve no.such.invalid"),
        ({"LOCAL_REGISTRY": "https://172.17.0.2"}, "plain HTTP"),
        ({"LOCAL_REGISTRY": "172.17.0.2:5000", "__dns_spoof": "SPOOFS"}, "asked on port 80"),
        ({"LOCAL_REGISTRY": "172.17.0.2", "__dns_spoof": "/no/file"}, "can't read /no/file"),
        ({"LOCAL_REGISTRY": "172.17.0.2", "__dns_spoof": "/dev/null"}, "no name in /dev/null"),
        ({"LOCAL_REGISTRY": "172.17.0.2", "PREFIX": "fd00:$(id)"}, "no IPv6 prefix"),
    ],
)
def test_refused(tmp_path: Path, env: dict[str, str], why: str) -> None:
    """What can't work in a VM ends with one line that says why, and without a tar."""
    if env.get("__dns_spoof") == "SPOOFS":
        env = env | {"__dns_spoof": spoofs(tmp_path)}
    said = make(tmp_path, str(tmp_path / "out.tar"), **env)
    assert (said.code != 0, said.out) == (True, "")
    assert why in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out.tar").exists()
    assert make(tmp_path, **env).out == ""


def test_help(tmp_path: Path) -> None:
    """Without an out-file it says how it is called, on stderr."""
    said = attempt("./tar", env=clean_environment(tmp_path), cwd=PRIVATE_REG)
    assert (said.code, said.out) == (1, "")
    assert "Usage: tar OUT-FILE|-" in said.err


def test_of_xcluster(tmp_path: Path) -> None:
    """Where no lreg runs, the registry is the one that xcluster's own images script knows."""
    for name, text in {"xcluster.sh": f"echo {tmp_path}", "images.sh": "echo 172.17.0.3"}.items():
        (tmp_path / name).write_text(f"#! /bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    held = texts(make(tmp_path, XCLUSTER=str(tmp_path / "xcluster.sh")).out)
    assert held["etc/spoofed-hosts"] == "172.17.0.3 example.com\n"


@pytest.mark.client("namespaces")
def test_of_lreg(tmp_path: Path, namespace: Namespace) -> None:
    """The lreg that runs here is found: spoofed names need its port 80, mirrors take any."""
    places = [f"--listen=http://{namespace.address}:{port}" for port in (5000, 80)]
    lreg = start_lreg(tmp_path, *places, network=namespace)
    try:
        for env in ({}, {"__dns_spoof": spoofs(tmp_path)}):
            said = make(tmp_path, inside=namespace.prefix, **env)
            assert _hosts(texts(said.out)["etc/hosts"])["example.com"] == namespace.address
    finally:
        lreg.stop()


def test_loopback(tmp_path: Path) -> None:
    """A lreg that only its own machine reaches is of no use to a VM, and there is no tar."""
    lreg = start_lreg(tmp_path)
    try:
        said = make(tmp_path)
    finally:
        lreg.stop()
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("private-reg: VMs can't reach 127.0.0.1: `lreg start --listen")
    assert said.err.count("\n") == 1


class Machine(Node):
    """A machine on xcluster's network, which runs the script with busybox's programs alone."""

    def __init__(self, outside: Outside, folder: Path) -> None:
        super().__init__(outside, 2, folder)
        self._programs = folder / "bin"
        self._programs.mkdir()
        self("busybox", "--install", "-s", str(self._programs))
        for address in ("192.168.0.1/24", "fd00::192.168.0.1/120", "1000::1:192.168.0.1/120"):
            self("ip", "address", "add", address, "dev", "eth0")

    def boot(self, home: Path, **env: str) -> None:
        """Unpack the overlay on its / and run the script, as a VM does at its start."""
        said = make(home, **env)
        unpack = ("tar", "-C", "/", "-o", "-x")
        run(*self.inside, *unpack, env=clean_environment(home), stdin=said.out.encode())
        self.write("etc/profile", "export TZ=UTC\n")
        self.run_script()

    def run_script(self) -> None:
        """Run the script again."""
        alone = ("env", "-i", f"PATH={self._programs}")
        assert self(*alone, "sh", f"/{SCRIPT}", "start").err == ""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine."""
    folder = tmp_path_factory.mktemp("xcluster")
    with (
        closing(Outside(folder / "outside")) as outside,
        closing(Machine(outside, folder / "machine")) as made,
    ):
        yield made


@pytest.mark.client("namespaces", "busybox")
def test_init(tmp_path: Path, machine: Machine) -> None:
    """A VM gets the hosts, a route to the registry and registries.conf, by busybox alone."""
    machine.boot(tmp_path, LOCAL_REGISTRY="172.17.0.2", __dns_spoof=spoofs(tmp_path))
    hosts = machine.file("etc/hosts").read_text()
    assert _hosts(hosts).items() >= dict.fromkeys(NAMES, "172.17.0.2").items()
    assert "172.17.0.2 via 192.168.0.250" in machine("ip", "route", "get", "172.17.0.2").out
    config = tomllib.loads(machine.file("etc/containers/registries.conf").read_text())
    assert {"location": "quay.io", "insecure": True} in config["registry"]


@pytest.mark.client("namespaces", "busybox")
@pytest.mark.parametrize("prefix", ["", "1000::1"])
def test_init_ipv6(tmp_path: Path, machine: Machine, prefix: str) -> None:
    """An IPv6 registry is routed by the host's IPv6 address; files name it, never its address."""
    machine.boot(tmp_path, LOCAL_REGISTRY="fd01:2008::2", PREFIX=prefix)
    routes = machine("ip", "-6", "route", "get", "fd01:2008::2").out
    assert f"via {prefix or 'fd00:'}:c0a8:fa " in routes
    assert "fd01:2008::2 example.com" in machine.file("etc/hosts").read_text().splitlines()
    assert "fd01" not in machine.file("etc/containers/registries.conf").read_text()


@pytest.mark.client("namespaces", "busybox")
def test_init_again(tmp_path: Path, machine: Machine) -> None:
    """Names are there once, also after another script wrote /etc/hosts anew, and it ran again."""
    machine.boot(tmp_path, LOCAL_REGISTRY="172.17.0.2", __dns_spoof=spoofs(tmp_path))
    machine.write("etc/hosts", "127.0.0.1 localhost\n192.168.0.250 host")
    machine.run_script()
    machine.run_script()
    spoofed = machine.file("etc/spoofed-hosts").read_text()
    wanted = f"127.0.0.1 localhost\n192.168.0.250 host\n{spoofed}"
    assert machine.file("etc/hosts").read_text() == wanted


@pytest.mark.client("namespaces", "busybox")
def test_init_neighbour(tmp_path: Path, machine: Machine) -> None:
    """A registry at the host's own address on xcluster's network needs no route."""
    machine.boot(tmp_path, LOCAL_REGISTRY="192.168.0.250")
    assert "via" not in machine("ip", "route", "get", "192.168.0.250").out


@pytest.mark.client("namespaces", "busybox")
def test_by_name(tmp_path: Path, machine: Machine) -> None:
    """A registry that is given by name is resolved here: VMs get its address."""
    machine.write("etc/hosts", "127.0.0.1 localhost\n172.17.0.4 registry.lan\n")
    said = make(tmp_path, inside=machine.inside, LOCAL_REGISTRY="registry.lan:5000")
    held = texts(said.out)
    assert held["etc/spoofed-hosts"] == "172.17.0.4 example.com\n"

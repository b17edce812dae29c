"""`lreg spoof`: names that mean the registry, from wherever they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.cli import run
from tests.unit.cli.servers import listens

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("store")


def _spoof(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["spoof", *arguments]) == code
    said = capsys.readouterr()
    assert bool(said.out) == (code == 0)
    return said.out or said.err


def test_a_file_of_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Xcluster's file of names becomes lines of /etc/hosts, Docker Hub's names with it."""
    (file := tmp_path / "spoofs").write_text("docker.io  # the Hub\n\nk8s.gcr.io\n")
    said = _spoof(capsys, "--file", str(file), "--address", "10.0.0.1")
    names = ["docker.io", "registry-1.docker.io", "index.docker.io", "k8s.gcr.io"]
    assert said == "".join(f"10.0.0.1 {name}\n" for name in names)


def test_a_file_of_windows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A mark of UTF-8, ends of lines with a return, tabs and upper case mean nothing."""
    (file := tmp_path / "spoofs").write_bytes(b"\xef\xbb\xbfQuay.io\r\n\tghcr.io\t# x\r\n")
    said = _spoof(capsys, "--file", str(file), "--address", "[fd00::1]")
    assert said == "fd00::1 quay.io\nfd00::1 ghcr.io\n"


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (b"\xff\xfe", "line 1"),
        (b"# none\n", "no name in it"),
        (b"localhost\n", "'localhost' is no host name"),
        (b"10.0.0.9\n", "'10.0.0.9' is no host name"),
        (b"reg.corp:5000\n", "without a port"),
    ],
)
def test_a_file_of_nonsense(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, held: bytes, reason: str
) -> None:
    """What would be a line without a meaning, or none at all, is refused."""
    (file := tmp_path / "spoofs").write_bytes(held)
    assert reason in _spoof(capsys, f"--file={file}", "--address=10.0.0.1", code=2)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "fe80::1%eth0"])
def test_an_address_of_nobody(capsys: pytest.CaptureFixture[str], address: str) -> None:
    """An address that each machine takes for another one is refused."""
    assert "reach" in _spoof(capsys, "quay.io", f"--address={address}", code=2)


def test_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """$__dns_spoof names the file as it does in xcluster; names given go before it."""
    (file := tmp_path / "spoofs").write_text("quay.io\n")
    monkeypatch.setenv("__dns_spoof", str(file))
    assert _spoof(capsys, "--address", "fd00::1") == "fd00::1 quay.io\n"
    assert _spoof(capsys, "ghcr.io", "--address", "fd00::1") == "fd00::1 ghcr.io\n"


def test_what_is_here(capsys: pytest.CaptureFixture[str], server: Path) -> None:
    """Without any option all upstreams' names mean the address of the lreg that runs here."""
    listens(server, "http://10.0.0.7:80")
    said = _spoof(capsys)
    assert "10.0.0.7 registry-1.docker.io\n" in said
    assert "10.0.0.7 quay.io\n" in said


def test_for_a_dns_server(capsys: pytest.CaptureFixture[str]) -> None:
    """The same names are printed as DNS servers take them."""
    told = ("quay.io", "--address", "10.0.0.1", "--format")
    assert "host-record=quay.io,10.0.0.1\n" in _spoof(capsys, *told, "dnsmasq")
    assert _spoof(capsys, *told, "coredns").startswith("hosts {\n    10.0.0.1 quay.io\n")


def test_what_makes_no_sense(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """No line of nonsense is printed for an address or a name that is none."""
    (file := tmp_path / "spoofs").write_text("quay.io\n10.0.0.1 quay.io\n")
    at = ("--address", "10.0.0.1")
    assert f"{file}: line 2" in _spoof(capsys, "--file", str(file), *at, code=2)
    assert "not both" in _spoof(capsys, "quay.io", "--file", str(file), *at, code=2)
    assert "--address" in _spoof(capsys, "quay.io", "--address", "lreg", code=2)
    assert "No such file" in _spoof(capsys, "--file", str(tmp_path / "x"), *at, code=1)

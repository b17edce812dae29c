"""`lreg node emit` and the options that make a plan: what is printed where, and for which lreg."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import tarfile
import tomllib
from pathlib import Path

import pytest

from lreg.cli import run
from lreg.node.runtimes import RUNTIMES
from tests.unit.cli.servers import listens

pytestmark = pytest.mark.usefixtures("store")
_PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def _emit(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(["node", "emit", *arguments]) == code
    return capsys.readouterr()


def test_several_files_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each file is printed below its path; what else is needed goes to stderr."""
    out, err = _emit(capsys, "crio", "--registry", "10.0.0.1:5000", "--upstream", "quay.io")
    assert "# etc/containers/registries.conf.d/50-lreg.conf\nunqualified-search" in out
    assert 'location = "10.0.0.1:5000/quay.io"' in out
    assert "docker.io/" not in out
    assert "CRI-O by mirror needs one restart" in err


def test_a_single_file_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one file stdout has nothing but its text, so that it can be sent where it belongs."""
    out, err = _emit(capsys, "k3s", "--registry", "10.0.0.1:5000")
    assert out.startswith("mirrors:\n")
    assert "etc/rancher/k3s/registries.yaml" in err


def test_a_ca_without_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A device for a CA's file is read only so far as a CA may be."""
    options = ("--registry", "10.0.0.1:5000", "--ca", "/dev/zero")
    _, err = _emit(capsys, "podman", *options, code=2)
    assert "/dev/zero: there is no certificate in it" in err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "x"])
def test_no_time_for_the_doctor(capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    """A pull gets a whole second at least; anything else is a wrong option."""
    assert run(["node", "doctor", "docker", "--timeout", seconds]) == 2
    assert "'--timeout'" in capsys.readouterr().err


def test_a_tar(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`-o -` is a tar of the files, the same whenever it is made."""
    command = ["node", "emit", "podman", "--registry", "10.0.0.1:5000", "-o", "-"]
    tars = []
    for _ in range(2):
        assert run(command) == 0
        tars.append(capfdbinary.readouterr().out)
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as tar:
        assert [each.name for each in tar] == ["etc/containers/registries.conf.d/50-lreg.conf"]


def test_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`-o DIR` writes the files below DIR, ready to be copied, and prints nothing to stdout."""
    spoof = ("--mechanism", "spoof-http", "--registry", "10.0.0.1")
    out, err = _emit(capsys, "kind", *spoof, "-o", str(tmp_path / "out"))
    assert out == ""
    script = tmp_path / "out" / "kind-hosts.sh"
    assert "10.0.0.1 registry-1.docker.io\n" in script.read_text()
    assert script.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out/node/etc/containerd/certs.d/docker.io/hosts.toml").exists()
    assert str(script) in err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts get each file's path, text and mode, and how it goes together with another."""
    out, _ = _emit(capsys, "docker", "--registry", "[fd00::1]:5000", "--json", *_hub())
    files = {each["path"]: each for each in json.loads(out)}
    daemon = files["etc/docker/daemon.json"]
    assert (daemon["merge"], daemon["mode"]) == ("json", "0644")
    assert json.loads(daemon["text"])["registry-mirrors"] == ["http://[fd00::1]:5000"]


def _hub() -> tuple[str, ...]:
    return ("--upstream", "docker.io")


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` needs no registry, and says of every runtime what it needs and can't do."""
    out, _ = _emit(capsys, "--list")
    assert all(f"{name} (" in out for name in RUNTIMES)
    assert "can't: minikube writes /etc/hosts" in out
    listed = json.loads(_emit(capsys, "--list", "--json")[0])
    assert set(listed) == set(RUNTIMES)
    assert listed["crio"]["mechanisms"]["mirror"]["works"] is True
    assert listed["docker"]["mechanisms"]["mirror"]["reload"] == [["systemctl", "reload", "docker"]]
    assert listed["minikube"]["mechanisms"]["spoof-tls"]["works"] is False


def test_the_lreg_that_runs_here(capsys: pytest.CaptureFixture[str], server: Path) -> None:
    """Without any address the plan is about the lreg here, at the address others reach."""
    listens(server, "https://10.0.0.7:5001", "http://10.0.0.7:5000", "http://127.0.0.1:5000")
    assert "http://10.0.0.7:5000\n" in _emit(capsys, "k3s")[0]


def test_a_loopback_listener_is_pointed_out(
    capsys: pytest.CaptureFixture[str], server: Path
) -> None:
    """Where only this machine reaches lreg, a runtime here may have it, and a node may not."""
    listens(server, "http://127.0.0.1:5000")
    out, err = _emit(capsys, "k3s")
    assert "http://127.0.0.1:5000" in out
    assert "only this machine reaches it" in err
    assert "is the node itself" in _emit(capsys, "k3d", code=2)[1]


def test_an_lreg_with_ipv6_only(capsys: pytest.CaptureFixture[str], server: Path) -> None:
    """Listening on IPv6 alone is as good, for what can have such an address."""
    listens(server, "http://[fd00::7]:5000")
    out, _ = _emit(capsys, "containerd", "--for-version", "2.1")
    assert '[host."http://[fd00::7]:5000"]' in out


def test_a_spoof_takes_the_port_that_is_asked(
    capsys: pytest.CaptureFixture[str], server: Path, tmp_path: Path
) -> None:
    """A spoof is for the listener on the scheme's own port, and comes with the CA of lreg."""
    (ca := tmp_path / "ca.pem").write_text(_PEM)
    listens(server, "http://10.0.0.7:5000", "https://10.0.0.8:443", "http://10.0.0.9:80", ca=ca)
    plain, _ = _emit(capsys, "containerd", "--mechanism", "spoof-http")
    assert "10.0.0.9 docker.io\n" in plain
    assert "CERTIFICATE" not in plain
    encrypted, _ = _emit(capsys, "containerd", "--mechanism", "spoof-tls")
    assert "10.0.0.8 docker.io\n" in encrypted
    assert _PEM in encrypted


@pytest.mark.parametrize(("how", "port"), [("spoof-http", "http://:80"), ("spoof-tls", "443")])
def test_a_spoof_without_its_port(
    capsys: pytest.CaptureFixture[str], server: Path, how: str, port: str
) -> None:
    """Names are not spoofed to an lreg that nobody would reach by them."""
    listens(server, "http://10.0.0.7:5000", "https://10.0.0.7:5001")
    said = _emit(capsys, "containerd", "--mechanism", how, code=2)[1]
    assert "add --listen" in said
    assert port in said


def test_mirrors_in_tls(capsys: pytest.CaptureFixture[str], server: Path, tmp_path: Path) -> None:
    """An lreg that speaks TLS only is a mirror with the CA that it was started with."""
    (ca := tmp_path / "ca.pem").write_text(_PEM)
    listens(server, "https://10.0.0.7:5000", ca=ca)
    out, _ = _emit(capsys, "containerd")
    assert '[host."https://10.0.0.7:5000"]' in out
    assert 'ca = "/etc/containerd/lreg-ca.crt"' in out


def test_none_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Without any registry it says how to have one."""
    assert "no lreg runs here" in _emit(capsys, "containerd", code=1)[1]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("10.0.0.1:5000", "http://10.0.0.1:5000"),
        ("registry.example", "https://registry.example"),
        ("http://registry.example:5000", "http://registry.example:5000"),
    ],
)
def test_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, url: str
) -> None:
    """$LOCAL_REGISTRY and --registry mean what they mean to every command."""
    monkeypatch.setenv("LOCAL_REGISTRY", text)
    by_variable = _emit(capsys, "k3s")[0]
    monkeypatch.delenv("LOCAL_REGISTRY")
    assert _emit(capsys, "k3s", "--registry", text)[0] == by_variable
    assert url in by_variable


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--registry", "http://"], "no registry"),
        (["--registry", "10.0.0.1:5000", "--upstream", "quay.io/org"], "not the host"),
        (["--registry", "10.0.0.1:5000", "--registry-name", "10.0.0.2"], "no name"),
        (["--registry", "10.0.0.1:5000", "--ca", "/dev/null"], "no certificate"),
        (["--registry", "10.0.0.1", "--mechanism", "spoof-tls"], "needs the CA"),
        (["--registry", "lreg.example", "--mechanism", "spoof-http"], "takes an address"),
        (["--registry", "10.0.0.1:5000", "--node-runtime", "crio"], "leave --node-runtime out"),
        (["--registry", "10.0.0.1:5000", "--mechanism", "spoof-http"], "--listen http://:80"),
        (["--registry", "http://10.0.0.1", "--mechanism", "spoof-tls"], "--listen https://:443"),
        (["--registry", "10.0.0.1:5000", "--registry-name", "localhost"], "no name"),
        (["--registry", "10.0.0.1:0"], "no registry"),
        (["--registry", "10.0.0.1", "--upstream", "quay.io:99999"], "no registry"),
        (["--registry", "http://[fe80::1%eth0]:5000"], "on one link"),
        (["--registry", "http://quay.io", "--upstream", "quay.io"], "is lreg itself"),
        (
            ["--registry", "10.0.0.1", "--mechanism", "spoof-http", "--upstream", "reg.corp:5000"],
            "without a port: use --mechanism mirror",
        ),
        (
            ["--registry", "10.0.0.1", "--mechanism", "spoof-http", "--upstream", "10.0.0.9"],
            "can't be spoofed",
        ),
    ],
)
def test_wrong_options(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    """A wrong option is one line that says what is wrong."""
    out, err = _emit(capsys, "containerd", *arguments, code=2)
    assert out == ""
    assert reason in err
    assert err.count("\n") == 1


def test_a_port_of_an_upstream(capsys: pytest.CaptureFixture[str]) -> None:
    """Where images' names have a port their runtime finds the mirror; lreg knows none of it."""
    told = ("--registry", "10.0.0.1:5000", "--upstream", "reg.corp:8443")
    assert "certs.d/reg.corp:8443/hosts.toml" in _emit(capsys, "containerd", *told)[0]
    assert "https://reg.corp:8443" in _emit(capsys, "containerd", *told)[0]
    conf = tomllib.loads(_emit(capsys, "podman", *told)[0])
    (registry,) = (each for each in conf["registry"] if "mirror" in each)
    assert registry["prefix"] == registry["location"] == "reg.corp:8443"
    assert registry["mirror"][0]["location"] == "10.0.0.1:5000/reg.corp"
    assert '"10.0.0.1:5000/reg.corp"' in _emit(capsys, "buildkit", *told)[0]


def test_an_upstream_that_has_no_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the upstreams of lreg.toml a spoof leaves those out that only have an address."""
    (config := tmp_path / "lreg.toml").write_text('[upstream."10.9.9.9"]\n')
    monkeypatch.setenv("LREG_CONFIG", str(config))
    spoof = _emit(capsys, "podman", "--registry", "10.0.0.1", "--mechanism", "spoof-http")[0]
    assert "quay.io" in spoof
    assert "10.9.9.9" not in spoof
    assert "10.9.9.9" in _emit(capsys, "podman", "--registry", "10.0.0.1:5000")[0]
    assert run(["spoof", "--address", "10.0.0.1"]) == 0
    assert "10.9.9.9" not in capsys.readouterr().out


def test_a_ca_goes_to_nodes_without_its_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of a file that holds more than certificates, nodes get these alone."""
    key = _PEM.replace("CERTIFICATE", "PRIVATE KEY")
    (file := tmp_path / "ca.pem").write_text(f"Certificate: data\r\n{key}{_PEM}{_PEM}")
    told = ("--registry", "https://10.0.0.1", "--ca", str(file), "--json")
    files = json.loads(_emit(capsys, "containerd", *told)[0])
    (ca,) = (each for each in files if each["path"].endswith("lreg-ca.crt"))
    assert ca["text"] == _PEM * 2


def test_a_mirror_in_tls_without_a_ca(capsys: pytest.CaptureFixture[str]) -> None:
    """A runtime that may not trust lreg goes to the internet without a word: so there is a word."""
    said = _emit(capsys, "containerd", "--registry", "https://10.0.0.1:5001")[1]
    assert "have to trust the certificate of https://10.0.0.1:5001 already" in said


def test_a_name_that_a_certificate_has_to_have(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A name that only these nodes know is one that lreg has to be told of."""
    (ca := tmp_path / "ca.pem").write_text(_PEM)
    told = ("--registry", "https://10.0.0.1", "--registry-name", "lreg.internal", f"--ca={ca}")
    assert "--tls-name lreg.internal" in _emit(capsys, "podman", *told)[1]


def test_an_upstream_that_is_not_allowed(capsys: pytest.CaptureFixture[str], server: Path) -> None:
    """An upstream that the lreg here refuses is pointed out: mirrors of it would do nothing."""
    listens(server, "http://10.0.0.7:5000")
    told = ("containerd", "--upstream", "quay.io", "--upstream", "reg.corp:5000")
    assert "does not allow reg.corp: " in _emit(capsys, *told)[1]
    elsewhere = _emit(capsys, *told, "--registry", "10.0.0.8:5000")[1]
    assert "allow" not in elsewhere


def test_no_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a runtime it says which there are, for a mistyped one the nearest, and first."""
    assert "containerd, crio, podman" in _emit(capsys, code=2)[1]
    assert "nearest is 'containerd'" in _emit(capsys, "contianerd", code=2)[1]


def test_the_runtime_inside(capsys: pytest.CaptureFixture[str]) -> None:
    """What carries files to nodes carries those of the runtime that is named."""
    at = ("--registry", "10.0.0.1:5000")
    assert "/etc/containerd/" in _emit(capsys, "cloud-init", *at)[0]
    assert "/etc/crio/" in _emit(capsys, "cloud-init", *at, "--node-runtime", "crio")[0]
    wrong = _emit(capsys, "cloud-init", *at, "--node-runtime", "crioo", code=2)[1]
    assert "nearest is 'crio'" in wrong


_NODES = Path(__file__).parents[3] / "docs" / "nodes.md"
_COMMANDS = re.findall(r"^lreg ((?:node emit|spoof) .*)$", _NODES.read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", _COMMANDS)
def test_what_the_documentation_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    """Each command in docs/nodes.md works as it stands there."""
    monkeypatch.setenv("LOCAL_REGISTRY", "10.0.0.1:5000")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run([os.path.expandvars(word) for word in shlex.split(line)]) == 0
    assert capsys.readouterr().out or list(tmp_path.iterdir())


def test_the_documentation_has_every_runtime() -> None:
    """docs/nodes.md has a word on each runtime that there is."""
    text = _NODES.read_text()
    assert [each.title for each in RUNTIMES.values() if each.title not in text] == []

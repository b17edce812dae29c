"""`lreg node apply` and `undo`: what is shown, what is run, how they end."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lreg.cli import run
from lreg.cli.node import changing
from tests.unit.node.nodes import DAEMON_JSON, HOSTS, make, survey

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.rooted import Root

OWN = '{"debug": true}\n'
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    """A node, and a registry that commands are told of."""
    monkeypatch.setenv("LREG_CONFIG", "/dev/null")
    monkeypatch.setenv("LOCAL_REGISTRY", "10.0.0.1:5000")
    return make(tmp_path / "node", {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost"})


def apply(node: Root, *options: str) -> int:
    """Run `lreg node apply docker` for docker.io on a node."""
    argv = ["node", "apply", "docker", "--upstream", "docker.io", "--root", node.folder]
    return run([*argv, *options])


def undo(node: Root, *options: str) -> int:
    """Run `lreg node undo` on a node."""
    return run(["node", "undo", "--root", node.folder, *options])


@pytest.mark.client("patch")
def test_the_diff_is_what_is_done(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout is a diff that `patch` takes, of just what is changed; stderr says what to run."""
    before = survey(node)
    assert apply(node, "--mechanism", "spoof-http", "--registry", "10.0.0.1") == 0
    done, said = capsys.readouterr(), survey(node)
    assert "systemctl reload docker" in done.err
    assert f"--- {node.absolute(DAEMON_JSON)}\n" in done.out
    subprocess.run(["patch", "-R", "-p0", "-s"], input=done.out, text=True, check=True, cwd="/")
    assert node.read(DAEMON_JSON) == OWN.encode()
    assert node.read(HOSTS) == b"127.0.0.1 localhost"
    subprocess.run(["patch", "-p0", "-s"], input=done.out, text=True, check=True, cwd="/")
    assert survey(node) == said
    assert undo(node) == 0
    assert "systemctl restart docker" in capsys.readouterr().err
    assert survey(node) == before


def test_dry_run(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run shows what would be done, there and back, and does nothing."""
    before = survey(node)
    assert apply(node, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert survey(node) == before
    assert apply(node) == 0
    assert capsys.readouterr().out == shown
    after = survey(node)
    assert undo(node, "--dry-run") == 0
    assert f"+++ {node.absolute(DAEMON_JSON)}" in capsys.readouterr().out
    assert survey(node) == after


def test_nothing_to_do(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing has to change that is said, and is no error."""
    assert undo(node) == 0
    assert capsys.readouterr().err == "lreg: nothing was applied here\n"
    apply(node)
    capsys.readouterr()
    assert apply(node) == 0
    done = capsys.readouterr()
    assert (done.out, done.err) == ("", "lreg: nothing to change\n")


def test_json(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """--json says which files were changed, how, and which commands are needed."""
    assert apply(node, "--json", "--for-version", "20.10.24") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["done"] is True
    assert found["reloaded"] is False
    assert found["reload"] == [["systemctl", "reload", "docker"]]
    changes = {each["path"]: each for each in found["changes"]}
    change = changes[node.absolute(DAEMON_JSON)]
    assert change["action"] == "change"
    assert '+{"debug": true, "registry-mirrors": ["http://10.0.0.1:5000"]' in change["diff"]
    assert undo(node, "--json", "--dry-run") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["done"] is False
    assert {each["path"] for each in found["changes"]} == set(changes)


def test_reload_is_for_this_machine(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """--reload beside --root is refused before anything is changed."""
    before = survey(node)
    assert apply(node, "--reload") == 2
    assert undo(node, "--reload") == 2
    assert "--reload is for the machine itself" in capsys.readouterr().err
    assert survey(node) == before


def test_reload(
    node: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--reload runs the runtime's commands, those of the system's CAs before them."""
    monkeypatch.setattr(changing, "check_reload", lambda _: None)
    ran = list[list[str]]()

    def note(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(list(words))
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", note)
    ca = tmp_path / "ca.pem"
    ca.write_text(PEM)
    options = ("--mechanism", "spoof-tls", "--ca", str(ca), "--registry", "https://10.0.0.1:443")
    assert apply(node, "--reload", *options) == 0
    assert ran == [["update-ca-certificates", "--fresh"], ["systemctl", "restart", "docker"]]
    assert apply(node, "--reload", *options) == 0
    assert len(ran) == 2
    assert undo(node, "--reload") == 0
    assert ran[2:] == ran[:2]
    assert "run:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "why"),
    [("false", "it said nothing"), ("no-such-program-of-lreg", "No such file or directory")],
)
def test_reload_that_fails(command: str, why: str) -> None:
    """A command that fails is an error that says so, and that the files are changed."""
    with pytest.raises(Exception, match=f"the files are changed, but `{command}`.*{why}"):
        changing.run_reload(((command,),))


def test_not_on_nodes(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """A runtime whose files are not the node's is refused, with what to use."""
    assert run(["node", "apply", "kind", "--root", node.folder]) == 2
    assert "use `lreg node emit kind`" in capsys.readouterr().err


def test_an_error_is_one_line(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that can't be read ends in one line and exit code 1, and nothing is changed."""
    with open(node.absolute(DAEMON_JSON), "w") as file:
        file.write("{")
    before = survey(node)
    assert apply(node) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "daemon.json is no valid JSON" in said.err
    assert survey(node) == before


def test_an_edit_and_force(node: Root, capsys: pytest.CaptureFixture[str]) -> None:
    """Undo refuses to lose an edit of what lreg wrote; --force shows what is lost, and does it."""
    apply(node)
    with open(node.absolute(DAEMON_JSON), "r+") as file:
        text = file.read().replace("10.0.0.1", "10.0.0.2")
        file.seek(0)
        file.write(text)
    capsys.readouterr()
    assert undo(node) == 1
    assert "--force" in capsys.readouterr().err
    assert undo(node, "--force") == 0
    assert "10.0.0.2" in capsys.readouterr().out
    assert node.read(DAEMON_JSON) == OWN.encode()

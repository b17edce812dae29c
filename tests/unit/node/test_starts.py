"""How daemons are started: systemd's unit files, read as systemd reads them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lreg.node.rooted import Root
from lreg.node.starts import Start, starts
from tests.support.processes import Program, clean_environment
from tests.unit.node.nodes import make

if TYPE_CHECKING:
    from pathlib import Path

UNIT = "lib/systemd/system/docker.service"
DROP_IN = "etc/systemd/system/docker.service.d"


def words(root: Path, files: dict[str, str]) -> tuple[str, ...]:
    """The command line of docker.service on a node with these files; none where it has none."""
    found = [each.words for each in starts(make(root, files), "dockerd", "docker.service")]
    return found[0] if found else ()


def test_a_node_without_the_unit(tmp_path: Path) -> None:
    """Where there is no unit, nothing is said of a start."""
    assert words(tmp_path, {}) == ()


def test_variables(tmp_path: Path) -> None:
    """Variables of the unit and of its files become words, as systemd makes them."""
    unit = """\
[Service]
Environment="A=--one two" B=three
EnvironmentFile=-/etc/default/docker
EnvironmentFile=-/etc/default/absent
# ExecStart=/bin/false
ExecStart=/usr/sbin/dockerd -H fd:// \\
  $DOCKER_OPTS --x=${B} $A
"""
    options = '# DOCKER_OPTS="--dns 8.8.8.8"\nDOCKER_OPTS="--registry-mirror http://a"\n'
    said = words(tmp_path, {UNIT: unit, "etc/default/docker": options})
    assert said[:3] == ("/usr/sbin/dockerd", "-H", "fd://")
    assert said[3:] == ("--registry-mirror", "http://a", "--x=three", "--one", "two")


def test_the_last_command_counts(tmp_path: Path) -> None:
    """A drop-in's command is in force, of /etc rather than /lib, and its file is named."""
    files = {
        UNIT: "ExecStart=/usr/sbin/dockerd\n",
        "lib/systemd/system/docker.service.d/50-a.conf": "ExecStart=\nExecStart=/bin/lib\n",
        f"{DROP_IN}/50-a.conf": "ExecStart=\nExecStart=/bin/etc --config-file /x\n",
        f"{DROP_IN}/10-b.conf": "ExecStart=\nExecStart=/bin/early\n",
    }
    (start,) = starts(make(tmp_path, files), "dockerd", "docker.service")
    assert start.words == ("/bin/etc", "--config-file", "/x")
    assert start.by == str(tmp_path / DROP_IN / "50-a.conf")


def test_a_masked_unit_and_a_broken_one(tmp_path: Path) -> None:
    """A unit that is masked or can't be read is none."""
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/docker.service").symlink_to("/dev/null")
    assert words(tmp_path, {UNIT: "ExecStart=/usr/sbin/dockerd\n"}) == ()
    (tmp_path / "etc/systemd/system/docker.service").unlink()
    assert words(tmp_path, {UNIT: "ExecStart=/usr/sbin/dockerd 'x\n"}) == ()


def test_options() -> None:
    """A flag is found in each form that Go's programs take; of several the last one counts."""
    start = Start("", ("p", "--a", "1", "-b=2", "--a=3", "--last"))
    assert start.option("--a") == "3"
    assert start.option("--bb", "-b") == "2"
    assert start.option("--last") == ""
    assert start.option("--absent") is None


def test_what_runs(tmp_path: Path) -> None:
    """On this machine itself the processes of a program count too, with what they were given."""
    sleeper = tmp_path / "lreg-test-sleeper"
    sleeper.symlink_to(sys.executable)
    script = "import time; time.sleep(600)"
    env = clean_environment(tmp_path, SOME_CONF="/x")
    process = Program([str(sleeper), "-c", script, "--flag=7"], tmp_path / "log", env, tmp_path)
    try:
        (start,) = starts(Root("/"), sleeper.name, "lreg-absent.service")
        assert start.option("--flag") == "7"
        assert start.environment["SOME_CONF"] == "/x"
        assert start.by == f"process {process.pid}"
    finally:
        process.kill()

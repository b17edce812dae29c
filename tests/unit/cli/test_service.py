"""The systemd unit that `lreg service` writes."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lreg import cli
from lreg.cli import service
from lreg.cli.service import unit
from lreg.config import load


def _unit(flags: dict[str, object], *, user: bool = False, **environ: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=True, delimiters="=")
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(unit(load(flags, None, environ), ["/opt/lreg"], user=user))
    return dict(parser["Service"]) | {"WantedBy": parser["Install"]["WantedBy"]}


def test_it_serves_with_the_same_settings() -> None:
    """What flags and LREG_* said at `install` is what the service does, from any folder."""
    made = _unit({"listen": (":80", "[::1]:5000"), "delete": False}, LREG_STORE="images", HOME="/")
    assert shlex.split(made["ExecStart"]) == [
        *("/opt/lreg", "serve", "--store", str(Path.cwd() / "images")),
        *("--listen", ":80", "--listen", "[::1]:5000", "--no-delete"),
    ]
    assert made["ReadWritePaths"] == str(Path.cwd() / "images")


def test_it_comes_back() -> None:
    """It is restarted always, after a crash and after a reboot."""
    made = _unit({})
    assert made["Restart"] == "always"
    assert made["WantedBy"] == "multi-user.target"
    assert _unit({}, user=True)["WantedBy"] == "default.target"


def test_it_may_do_little() -> None:
    """The service writes to its store only and has no rights but that to a low port."""
    high = _unit({"listen": ("127.0.0.1:5000",), "store": "/srv/images"})
    assert (high["ProtectSystem"], high["NoNewPrivileges"]) == ("strict", "yes")
    assert high["ReadWritePaths"] == "/srv/images"
    assert high["CapabilityBoundingSet"] == ""
    low = _unit({"listen": ("127.0.0.1:5000", ":443")})
    assert low["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"


def test_a_stop_waits_for_the_grace_time() -> None:
    """Nothing is killed by systemd before the grace time is over."""
    assert float(_unit({"grace": "5m"})["TimeoutStopSec"]) > 300


@pytest.mark.client("systemd")
@pytest.mark.parametrize("user", [False, True])
def test_systemd_accepts_it(tmp_path: Path, *, user: bool) -> None:
    """A real systemd finds nothing wrong with the unit, odd paths included."""
    flags: dict[str, object] = {"store": str(tmp_path / "a b$c%d\"e'f"), "listen": ("unix:s",)}
    file = tmp_path / "lreg.service"
    file.write_text(unit(load(flags, None, {}), [shutil.which("true") or ""], user=user))
    scope = "--user" if user else "--system"
    done = subprocess.run(
        ["systemd-analyze", scope, "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "lreg.service" not in done.stderr
    assert done.returncode == 0 or user, done.stderr


def test_install_and_uninstall(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's unit is written, enabled and started; uninstall takes all that back."""
    asked: list[list[str]] = []

    def systemctl(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", systemctl)
    monkeypatch.setattr(service, "_BOOTED", tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    store = tmp_path / "store"
    assert cli.run(["service", "install", "--user", "--store", str(store)]) == 0
    file = tmp_path / "systemd/user/lreg.service"
    assert f"serve --store {store}" in file.read_text()
    assert store.is_dir()
    assert asked == [
        ["systemctl", "--user", "daemon-reload"],
        ["systemctl", "--user", "enable", "lreg.service"],
        ["systemctl", "--user", "restart", "lreg.service"],
    ]
    assert str(file) in capsys.readouterr().out

    asked.clear()
    assert cli.run(["service", "uninstall", "--user"]) == 0
    assert asked[0] == ["systemctl", "--user", "disable", "--now", "lreg.service"]
    assert not file.exists()
    assert store.is_dir()
    assert cli.run(["service", "uninstall", "--user"]) == 0


def test_without_systemd(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no systemd runs that is said before anything is written; a unit comes and goes."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(service, "_BOOTED", tmp_path / "none")
    arguments = ["service", "install", "--user", "--store", str(tmp_path / "s")]
    assert cli.run(arguments) == 1
    assert capsys.readouterr() == (
        "",
        "lreg: no systemd runs here: --no-now only writes the unit\n",
    )
    folder = tmp_path / "systemd/user"
    assert not folder.exists()

    assert cli.run([*arguments, "--no-now"]) == 0
    (folder / "default.target.wants").mkdir()
    (folder / "default.target.wants/lreg.service").symlink_to(folder / "lreg.service")
    assert cli.run(["service", "uninstall", "--user"]) == 0
    assert [path for path in folder.rglob("*") if not path.is_dir()] == []


def test_show_prints_what_install_writes(capsys: pytest.CaptureFixture[str]) -> None:
    """`service show` is the unit and nothing else."""
    assert cli.run(["service", "show", "--system", "--listen", ":80"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("[Unit]\n")
    assert "--listen :80" in said.out
    assert said.err == ""

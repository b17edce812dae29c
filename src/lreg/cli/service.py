"""`lreg service`: systemd keeps the registry running, across crashes and reboots."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from lreg.cli.options.settings import as_flags, with_settings
from lreg.errors import LregError
from lreg.home import home

if TYPE_CHECKING:
    from lreg.config import Loaded

F = TypeVar("F", bound=Callable[..., Any])

_UNIT = "lreg.service"
_SYSTEM_FOLDER = Path("/etc/systemd/system")
# sd_booted(3): it is there where systemd runs.
_BOOTED = Path("/run/systemd/system")
_PRIVILEGED = 1024

# systemd.exec(5). These a user's own systemd can set up too.
_HARDENING = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""
# For these it takes the system's.
_SYSTEM_HARDENING = """\
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
"""


def unit(loaded: Loaded, program: list[str], *, user: bool) -> str:
    """Return the text of the systemd unit.

    Args:
        loaded: the configuration; what is neither default nor in its file goes into the unit.
        program: the command line that `serve` and its flags follow.
        user: whether it is for a user's own systemd.
    """
    config = loaded.config
    words = [*program, "serve", *as_flags(loaded, all_set=True)]
    start = " ".join(_word(word).replace("$", "$$") for word in words)
    text = (
        "[Unit]\n"
        "Description=lreg, a container registry\n"
        "After=network-online.target\n"
        "Wants=network-online.target\n"
        "StartLimitIntervalSec=0\n"
        "\n[Service]\n"
        "Type=notify\n"
        f"ExecStart={start}\n"
        "Restart=always\n"
        "RestartSec=1\n"
        # It cuts what still runs after its grace time; systemd comes after that.
        f"TimeoutStopSec={config.grace + 10:g}\n"
        "LimitNOFILE=65536\n"
        f"{_HARDENING}"
    )
    if not user:
        ports = [listen.port for listen in config.listen if listen.path is None]
        low = "CAP_NET_BIND_SERVICE" if any(port < _PRIVILEGED for port in ports) else ""
        sockets = {listen.path.parent for listen in config.listen if listen.path}
        writable = " ".join(_word(str(path)) for path in sorted({config.store, *sockets}))
        text += f"{_SYSTEM_HARDENING}CapabilityBoundingSet={low}\nReadWritePaths={writable}\n"
    return f"{text}\n[Install]\nWantedBy={_target(user=user)}\n"


def _target(*, user: bool) -> str:
    return f"{'default' if user else 'multi-user'}.target"


def _word(text: str) -> str:
    # systemd.syntax(7), "Quoting", is as in C; systemd.unit(5), "Specifiers", begin with %.
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if not text or any(c.isspace() or c in "\"';\\" for c in text) else text


def _program() -> list[str]:
    found = shutil.which("lreg", path=str(Path(sys.executable).parent))
    return [found] if found else [sys.executable, "-P", "-m", "lreg"]


def _unit_path(*, user: bool) -> Path:
    if not user:
        return _SYSTEM_FOLDER / _UNIT
    folder = os.environ.get("XDG_CONFIG_HOME") or home() / ".config"
    return Path(folder) / "systemd" / "user" / _UNIT


def _systemctl(*arguments: str, user: bool) -> None:
    command = ["systemctl", *(["--user"] if user else []), *arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise LregError(f"there is no systemctl to run {' '.join(command)!r}") from None
    except subprocess.CalledProcessError as error:
        said = " ".join(str(error.stderr).split())
        raise LregError(f"{' '.join(command)!r} failed: {said}") from None


def _for_whom(function: F) -> F:
    @functools.wraps(function)
    def wrapped(*arguments: Any, user: bool | None, **options: Any) -> Any:
        return function(*arguments, user=os.geteuid() != 0 if user is None else user, **options)

    option = click.option(
        "--user/--system",
        default=None,
        help="Your own systemd, or the machine's.  [default: --system for root, else --user]",
    )
    return cast("F", option(wrapped))


@click.group()
def command() -> None:
    """Have systemd keep the registry running, across crashes and reboots."""


@command.command(epilog="Example: lreg service install --store /srv/images --listen :5000")
@with_settings()
@_for_whom
@click.option("--now/--no-now", default=True, help="Enable and start it too.  [default: --now]")
def install(loaded: Loaded, *, user: bool, now: bool) -> None:
    """Write the unit, enable it and start it.

    The flags are those of `lreg serve`; what they and LREG_* say goes into the unit.
    """
    if now and not _BOOTED.is_dir():
        raise LregError("no systemd runs here: --no-now only writes the unit")
    path = _unit_path(user=user)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unit may not name a folder that is not there (ReadWritePaths=).
    loaded.config.store.mkdir(parents=True, exist_ok=True)
    path.write_text(unit(loaded, _program(), user=user))
    click.echo(f"wrote {path}")
    if now:
        _systemctl("daemon-reload", user=user)
        _systemctl("enable", _UNIT, user=user)
        _systemctl("restart", _UNIT, user=user)
        click.echo(f"enabled and started {_UNIT}")
        if user:
            click.echo(
                "lreg: to have it run while you are not logged in: loginctl enable-linger", err=True
            )


@command.command()
@_for_whom
def uninstall(*, user: bool) -> None:
    """Stop it, disable it and remove the unit; the store stays.

    Where no systemd runs there is nothing to stop.
    """
    path = _unit_path(user=user)
    if not path.exists():
        click.echo(f"lreg: there is no {path}", err=True)
        return
    runs = _BOOTED.is_dir()
    if runs:
        _systemctl("disable", "--now", _UNIT, user=user)
    # What `enable` made is gone by `disable`, but of a systemd that does not run here.
    (path.parent / f"{_target(user=user)}.wants" / _UNIT).unlink(missing_ok=True)
    path.unlink()
    if runs:
        _systemctl("daemon-reload", user=user)
    click.echo(f"removed {path}")


@command.command()
@with_settings()
@_for_whom
def show(loaded: Loaded, *, user: bool) -> None:
    """Print the unit that `install` with the same flags would write."""
    click.echo(unit(loaded, _program(), user=user), nl=False)

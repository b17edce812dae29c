"""A cluster on this machine: nodes with an address and an /etc each, and no way to the internet.

Everything is namespaces that live as long as a process does, and that process no longer than this
one: nothing has to be taken down, and nothing stays after a crash.
"""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import Program, Said, attempt, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Ends when the thread that started it does.
_MORTAL = ("setpriv", "--pdeathsig", "KILL", "--")
_APART = ("unshare", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc")
_CLONE_NEWNET = 0x40000000  # setns(2); Python has it from 3.12 on
_BRIDGE = "cluster"
_OWN_PROGRAMS = "/run/bin"
_TOLD = "run/systemctl.told"
_HOME = "/run/root"  # not /root: this Python may lie there


class Namespaces:
    """Namespaces, and a process that holds them.

    Attributes:
        folder: for logs.
    """

    def __init__(self, folder: Path, script: str) -> None:
        """Make them.

        Args:
            folder: for logs; made.
            script: shell; what is done in them at first, as their root.
        """
        folder.mkdir(parents=True)
        self.folder = folder
        held = f"{script}\necho ready\nexec sleep infinity"
        argv = [*_MORTAL, *_APART, "--net", "--mount", "sh", "-e", "-c", held]
        self._holder = Program(argv, folder / "namespaces.log", clean_environment(folder))
        self._holder.wait_until(lambda: "ready" in self._holder.log)

    @property
    def pid(self) -> int:
        """The process that holds them."""
        return self._holder.pid

    @property
    def network(self) -> str:
        """The file of the network namespace."""
        return f"/proc/{self.pid}/ns/net"

    @property
    def on_network(self) -> tuple[str, ...]:
        """What to put before a command that is to have this network, and all else from here."""
        return (*_MORTAL, "nsenter", f"--net={self.network}", "--")

    def close(self) -> None:
        """Let them go, with all that runs in them."""
        self._holder.kill()


class Outside(Namespaces):
    """What nodes see of the world: a bridge, where a registry and a name server can listen."""

    address, address6 = "10.77.0.1", "fd77::1"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            f"""\
            ip link set lo up
            ip link add {_BRIDGE} type bridge
            ip address add {self.address}/24 dev {_BRIDGE}
            ip address add {self.address6}/64 dev {_BRIDGE} nodad
            ip link set {_BRIDGE} up
            """,
        )


class Node(Namespaces):
    """A machine of a cluster: its own addresses, processes, /etc, /var/lib, /run.

    Attributes:
        addresses: its IPv4 and IPv6 address.
        root: its root folder, as seen from here.
    """

    def __init__(
        self,
        outside: Outside,
        number: int,
        folder: Path,
        programs: Sequence[Path] = (),
        disk: Path | None = None,
    ) -> None:
        """Start one.

        Args:
            outside: what it is connected to.
            number: 2 to 254, no two nodes' the same.
            folder: for logs and its /etc; made.
            programs: what is first in its PATH.
            disk: an empty folder for its /var/lib; None: it lies in memory.
        """
        self.addresses = (f"10.77.0.{number}", f"fd77::{number:x}")
        super().__init__(folder, _filesystems(folder, disk))
        self.root = Path(f"/proc/{self.pid}/root")
        own = (_OWN_PROGRAMS, *(str(each.parent) for each in programs))
        path = ":".join([*own, os.environ["PATH"]])
        self._env = clean_environment(Path(_HOME), XDG_RUNTIME_DIR="/run", PATH=path)
        self._connect(outside, number)
        self._settle(outside)

    def _connect(self, outside: Outside, number: int) -> None:
        link, env = f"node{number}", self._env
        with_peer = ("peer", "name", "eth0", "netns", str(self.pid))
        there = outside.on_network
        run(*there, "ip", "link", "add", link, "type", "veth", *with_peer, env=env)
        run(*there, "ip", "link", "set", link, "master", _BRIDGE, "up", env=env)
        self(
            "sh",
            "-e",
            "-c",
            f"""\
            ip link set lo up
            ip address add {self.addresses[0]}/24 dev eth0
            ip address add {self.addresses[1]}/64 dev eth0 nodad
            ip link set eth0 up
            """,
        )

    def _settle(self, outside: Outside) -> None:
        self.write("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.write("etc/resolv.conf", f"nameserver {outside.address}\noptions attempts:1\n")
        self.write("etc/nsswitch.conf", "hosts: files dns\n")
        # No systemd runs here: who started a daemon restarts it.
        self.write("run/bin/systemctl", f'#!/bin/sh\necho "$@" >>/{_TOLD}\n')
        self.file("run/bin/systemctl").chmod(0o755)
        self.write(_TOLD, "")

    @property
    def inside(self) -> tuple[str, ...]:
        """What to put before a command that is to run on it."""
        own = f"/proc/{self.pid}/ns"
        spaces = (f"--net={own}/net", f"--mount={own}/mnt", f"--pid={own}/pid_for_children")
        return (*_MORTAL, "nsenter", *spaces, "--wd=/", "--")

    def __call__(self, *argv: str, **env: str) -> Said:
        """Run a program on it; it has to succeed."""
        return run(*self.inside, *argv, env=self._env | env)

    def attempt(self, *argv: str, **env: str) -> Said:
        """Run a program on it, whatever comes."""
        return attempt(*self.inside, *argv, env=self._env | env)

    def told_systemd(self) -> list[str]:
        """Return what systemd was told to do since this was asked last: `restart`, say."""
        told = self.file(_TOLD)
        verbs = [line.split()[0] for line in told.read_text().splitlines()]
        told.write_text("")
        return verbs

    def start(self, *argv: str, **env: str) -> Daemon:
        """Start a program on it that stays."""
        log = self.folder / f"{Path(argv[0]).name}.log"
        return Daemon([*self.inside, *argv], log, self._env | env)

    def file(self, path: str) -> Path:
        """Return where a file of it is, as seen from here."""
        return self.root / path

    def write(self, path: str, text: str) -> None:
        """Put a file on it."""
        place = self.file(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


class Daemon(Program):
    """A program behind `nsenter`, which passes no signal on."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        super().__init__(argv, log, env)
        self.name = Path(argv[argv.index("--", argv.index("nsenter")) + 1]).name

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            os.kill(int(child), number)

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        if not self.has_ended:
            self.signal(signal.SIGTERM)


def _filesystems(folder: Path, disk: Path | None) -> str:
    """Return the script by which a node gets its own of what a runtime reads and writes."""
    own = folder / "own"
    library = f"mount --bind {disk} /var/lib" if disk else "mount -t tmpfs tmpfs /var/lib"
    # This Python, or the checkout, may lie below /opt.
    return f"""\
    mkdir {own}
    mount -t tmpfs tmpfs {own}
    for each in etc opt; do
      upper={own}/$each
      mkdir $upper $upper-work
      mount -t overlay overlay -o lowerdir=/$each,upperdir=$upper,workdir=$upper-work /$each
    done
    {library}
    for each in /run /usr/local/share/ca-certificates /var/log; do
      mkdir -p $each
      mount -t tmpfs -o mode=755 tmpfs $each
    done
    mkdir {_HOME}
    """


def enter(network: str) -> None:
    """Move this thread, and no other, to a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(network, os.O_RDONLY)
    try:
        if libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"can't enter {network}")
    finally:
        os.close(namespace)

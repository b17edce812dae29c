"""Processes of lreg without the start of Python: forks of one that has imported all of it.

For `make test-quick` alone, where starting Python a thousand times is most of the work. In `make
test` every process starts as a user's does: what only a fresh one shows, a missing import say, is
found there.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lreg.cli import seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROOT = Path(__file__).parents[2]
_LONGEST = 1 << 17
IMAGES = str(Path(sys.executable).with_name("images"))
_PRELOADED = ("lreg.cli", "lreg.images", "lreg.node", "lreg.registry")


class Fork:
    """A process that was forked; as much of `subprocess.Popen` as the tests use.

    Attributes:
        pid: the process.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.pid = int(link.recv(100))
        self._code: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, as `Popen.wait` does."""
        if self._code is None:
            self._link.settimeout(timeout)
            try:
                said = self._link.recv(100)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("lreg", timeout or 0) from None
            self._link.close()
            self._code = int(said)
        return self._code

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def can_fork(argv: Sequence[str]) -> bool:
    """Return whether a command is `python -m lreg` or `images`, and may be forked in this run."""
    return os.environ.get("QUICK") == "true" and (
        tuple(argv[:3]) == (sys.executable, "-m", "lreg") or argv[0] == IMAGES
    )


def fork(
    argv: Sequence[str], files: Sequence[int], env: Mapping[str, str], cwd: Path | None
) -> Fork:
    """Start a command in a session of its own.

    Args:
        argv: of which `can_fork` says so.
        files: its stdin, stdout and stderr.
        env: all of its environment.
        cwd: where it runs; None: here.
    """
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        link.settimeout(60)
        link.connect(_server())
        # As `sys.argv` has it, where its module is the name of it.
        words = argv if argv[0] == IMAGES else ["lreg", *argv[3:]]
        request = {"argv": words, "env": dict(env), "cwd": str(cwd or Path.cwd())}
        socket.send_fds(link, [json.dumps(request).encode()], list(files))
        return Fork(link)
    except BaseException:
        link.close()
        raise


@cache
def _server() -> str:
    """Return the socket of the process that forks, which ends when this one does."""
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        cwd=_ROOT,
        start_new_session=True,
    )
    atexit.register(_end, process)
    assert process.stdout
    path = process.stdout.readline().decode().strip()
    assert path, "it did not come up"
    return path


def _end(process: subprocess.Popen[bytes]) -> None:
    process.communicate()  # closes its stdin


def _preload() -> None:
    for name in _PRELOADED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            # What can't be imported is the affair of who needs it.
            with contextlib.suppress(ImportError):
                if not module.name.endswith("__main__"):
                    importlib.import_module(module.name)


def _serve() -> None:
    """Print a socket's path and fork whatever is asked for there, until stdin is closed."""
    _preload()
    folder = tempfile.mkdtemp(prefix="lreg-fork-")
    tempfile.tempdir = None  # what is forked has a $TMPDIR of its own
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen(100)
        os.write(1, f"{folder}/socket\n".encode())
        asked = _forked(listener)
    if asked:
        _become(*asked)
    shutil.rmtree(folder)


def _forked(listener: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request; return it and its files in the fork, None here when stdin ends."""
    running: dict[int, tuple[int, socket.socket]] = {}
    poll = select.poll()
    for file in (0, listener.fileno()):
        poll.register(file, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                poll.unregister(ready)
                _report(ready, *running.pop(ready))
            elif not ready:
                return None
            else:
                link, _ = listener.accept()
                asked, files, _, _ = socket.recv_fds(link, _LONGEST, 3)
                if not (pid := os.fork()):
                    return json.loads(asked), files
                for file in files:
                    os.close(file)
                end = os.pidfd_open(pid)
                running[end] = pid, link
                poll.register(end, select.POLLIN)
                with contextlib.suppress(OSError):  # nobody waits any more
                    link.send(str(pid).encode())


def _report(end: int, pid: int, link: socket.socket) -> None:
    """Tell the exit code of a process that has ended."""
    _, status = os.waitpid(pid, 0)
    with link, contextlib.suppress(OSError):
        link.send(str(os.waitstatus_to_exitcode(status)).encode())
    os.close(end)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Be the process that was asked for."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 1 << 12)  # also what belongs to the others that run
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    sys.argv = request["argv"]
    if sys.argv[0] == IMAGES:
        seed.main()
    runpy.run_module("lreg", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()

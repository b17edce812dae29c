"""Commands that are broken off, or have nowhere to write to: they end soon, and leave nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from functools import cache
from typing import IO, TYPE_CHECKING

import pytest

from tests.support.images import image, noise
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.commands.conftest import Lreg
    from tests.support.images import Image
    from tests.support.wire import Wire

# Much longer than it takes, much shorter than for ever.
SOON = 20


@contextlib.contextmanager
def running(lreg: Lreg, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give a command with pipes at both ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "lreg", *arguments],
        env=lreg.env,
        cwd=lreg.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Do as Ctrl-C does; hold it to what it promises."""
    process.send_signal(signal.SIGINT)
    assert process.wait(SOON) == 130
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def is_stuck(pipe: IO[bytes]) -> bool:
    """Return whether who writes to a pipe has no room for more: so much waits, and goes on to."""
    before = waiting(pipe)
    time.sleep(1)
    # Pieces leave room in the pipe's pages that no other piece gets.
    return waiting(pipe) == before > fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) // 2


def waiting(pipe: IO[bytes]) -> int:
    """Return how many bytes in a pipe nobody has read."""
    count = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


def has_socket(pid: int) -> bool:
    """Return whether a process has begun to talk to somebody, or is about to."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError):  # closed meanwhile
        links = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
        # The event loop has two for itself, before it heeds Ctrl-C.
        return sum(link.startswith("socket:") for link in links) > 2
    return False


@pytest.fixture
def large(wire_here: Wire, repository: str) -> str:
    """An image that no pipe holds, neither its content nor the names of its files."""
    wire_here.push(repository, made(), "v1")
    return f"{repository}:v1"


@cache
def made() -> Image:
    """Return that image."""
    names = {f"{'folder/' * 30}{number}": b"" for number in range(1000)}
    return image({"large": noise(4 << 20, "large")}, names)


@pytest.mark.parametrize(
    "arguments",
    [
        ("export",),
        ("files", "--layers"),
        ("save", "--quiet", "--output=-"),
        ("bundle", "create", "--quiet", "--output=-"),
    ],
)
def test_nobody_reads(lreg_here: Lreg, large: str, arguments: tuple[str, ...]) -> None:
    """Ctrl-C ends a command that waits for who does not read on."""
    with running(lreg_here, *arguments, large) as process:
        assert process.stdout is not None
        pipe = process.stdout
        eventually(lambda: is_stuck(pipe))
        interrupt(process)


def test_nobody_writes(lreg_here: Lreg, large: str, tmp_path: Path) -> None:
    """Ctrl-C ends a load that waits for the rest of a bundle."""
    lreg_here.run("bundle", "create", "-q", "-o", "bundle", large)
    bundle = (tmp_path / "bundle").read_bytes()
    with running(lreg_here, "bundle", "load", "-") as process:
        assert process.stdin is not None
        process.stdin.write(bundle[: len(bundle) // 2])
        process.stdin.flush()
        interrupt(process)


def test_the_registry_says_nothing(lreg_here: Lreg, large: str, tmp_path: Path) -> None:
    """Ctrl-C ends a command that waits for the registry, and takes its half file away."""
    server = lreg_here.registry.process.pid
    (tmp_path / "out").mkdir()
    os.kill(server, signal.SIGSTOP)
    try:
        with running(lreg_here, "save", "--output=out/archive", large) as process:
            eventually(lambda: has_socket(process.pid))
            interrupt(process)
    finally:
        os.kill(server, signal.SIGCONT)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("export",),
        ("files",),
        ("files", "--layers"),
        ("save", "--quiet", "--output=-"),
        ("bundle", "create", "--quiet", "--output=-"),
    ],
)
def test_nobody_reads_any_more(lreg_here: Lreg, large: str, arguments: tuple[str, ...]) -> None:
    """As in `lreg files IMAGE | head -1`: it ends without a word."""
    with running(lreg_here, *arguments, large) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(SOON) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", ["export IMAGE", "cat IMAGE large", "save -qo - IMAGE"])
def test_stdout_is_closed(lreg_here: Lreg, large: str, command: str) -> None:
    """Nowhere to write to is said in one line."""
    argv = ["sh", "-c", f'exec "$0" -m lreg {command.replace("IMAGE", large)} >&-', sys.executable]
    done = subprocess.run(argv, env=lreg_here.env, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, b"lreg: stdout is closed, where this was to go\n")


@pytest.mark.parametrize("command", ["export -o full/x", "save -qo full/x", "pull --to dir:full"])
def test_disk_is_full(lreg_here: Lreg, large: str, tmp_path: Path, command: str) -> None:
    """A full disk is said with the file that it has no room for, and no half file stays."""
    (tmp_path / "full").mkdir()
    script = (
        'mount -t tmpfs -o size=1m tmpfs full && { "$0" -m lreg '
        f"{command} {large}; find full -name '*.part' -o -name x; }}"
    )
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, sys.executable]
    done = subprocess.run(
        argv, env=lreg_here.env, cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    assert done.stdout == b""
    assert b"lreg: full/" in done.stderr
    assert b"No space left on device" in done.stderr

"""Start real programs, wait until they answer, end them, and never lose what they said."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.forking import can_fork, fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from tests.support.forking import Fork


@dataclass(frozen=True, slots=True)
class Said:
    """What a program that has ended said."""

    code: int
    out: str
    err: str


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no setting of this machine's user has a say.

    Nor does a lreg that is started in it dial the internet.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    own = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    return kept | own | {"LREG_CONFIG": "/dev/null", "LREG_OFFLINE": "true"} | more


def attempt(
    *argv: str, env: Mapping[str, str], stdin: bytes = b"", cwd: Path | None = None
) -> Said:
    """Run a program to its end (two minutes at most) and return what it said, however it ended."""
    if can_fork(argv):
        return _forked(argv, env, stdin, cwd)
    done = subprocess.run(
        argv, input=stdin, env=dict(env), cwd=cwd, capture_output=True, timeout=120, check=False
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))


def _forked(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, cwd: Path | None) -> Said:
    (theirs, ours), *pipes = (os.pipe() for _ in range(3))
    outputs = [end for _, end in pipes]
    try:
        process = fork(argv, (theirs, *outputs), env, cwd)
    finally:
        for end in (theirs, *outputs):
            os.close(end)
    with ThreadPoolExecutor(3) as pool:
        out, err = (pool.submit(_read_all, end) for end, _ in pipes)
        pool.submit(_write_all, ours, stdin)
        said = out.result().decode(), err.result().decode(errors="replace")
    return Said(process.wait(120), *said)


def _read_all(pipe: int) -> bytes:
    with open(pipe, "rb") as opened:
        return opened.read()


def _write_all(pipe: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(pipe, "wb") as opened:
        opened.write(data)


def run(*argv: str, env: Mapping[str, str], stdin: bytes = b"", cwd: Path | None = None) -> Said:
    """As `attempt`, for a program that has to succeed."""
    said = attempt(*argv, env=env, stdin=stdin, cwd=cwd)
    if said.code:
        raise AssertionError(f"{' '.join(argv)}: exit {said.code}\n{said.out}{said.err}")
    return said


def _ports() -> Iterator[int]:
    """Give ports for ever, each as late again as can be.

    They lie below those that Linux gives to connections and to who asks for any port, and xdist's
    workers share them out: nobody else takes one between its choice and its use.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = range(10_000 + worker, 32_768, workers)
    return itertools.cycle(random.sample(mine, len(mine)))


_PORTS = _ports()


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that nothing listens on at that address of this machine."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            return port


def _forked_to(
    argv: Sequence[str], output: BinaryIO, env: Mapping[str, str], cwd: Path | None
) -> Fork | None:
    if not can_fork(argv):
        return None
    with open(os.devnull, "rb") as nothing:
        return fork(argv, (nothing.fileno(), output.fileno(), output.fileno()), env, cwd)


class Program:
    """A program that runs until it is told to end; its output goes to a file."""

    def __init__(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start `argv`, appending stdout and stderr to `log`."""
        self.name = argv[0]
        self.log_file = log
        with log.open("ab") as output:
            self._log_start = output.tell()
            # A session of its own: Ctrl-C is for pytest, whose fixtures then end the program.
            self._process = _forked_to(argv, output, env, cwd) or subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        """Everything it has said so far; not what an earlier one said to the same file."""
        return self.log_file.read_bytes()[self._log_start :].decode(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether it has, by itself or not."""
        return self._process.poll() is not None

    def wait_until(self, answers: Callable[[], bool], seconds: float = 30) -> None:
        """Return once `answers()` is true; fail with the log if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not answers():
            if self.has_ended or time.monotonic() > deadline:
                # Not with kill at first: a daemon may have children that it has to end.
                self.terminate()
                self.wait()
                raise AssertionError(f"{self.name} did not come up:\n{self.log[-4000:]}")
            time.sleep(0.01)

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self._process.terminate()

    def wait(self, seconds: float = 30) -> int:
        """Return the exit code once it has ended; fail with the log if it does not."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end:\n{self.log[-4000:]}") from None

    def stop(self) -> int:
        """Send SIGTERM, unless it has ended, and return the exit code."""
        self.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def open_files(self) -> int:
        """Return how many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def eventually(true: Callable[[], object], seconds: float = 20) -> None:
    """Return once `true()` is; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


async def in_time(true: Callable[[], object], seconds: float = 20) -> None:
    """As `eventually`, while an event loop goes on."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.01)


def listens(port: int) -> bool:
    """Return whether something takes connections on that port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False

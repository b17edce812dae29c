"""What a command takes: time, processor time of it and of a registry, memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine
from bench.programs import environment
from bench.wire import LoadFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.servers import Server

# The mark is the highest yet: what comes after the last look is missed, nothing before.
_LOOK = 0.01


@dataclass(frozen=True, slots=True)
class Spent:
    """What commands took.

    Attributes:
        seconds: by the clock.
        cpu: of processor, theirs and the registry's together.
        memory: what the largest of them had resident, in MiB.
    """

    seconds: float
    cpu: float
    memory: float


def spent(commands: Sequence[Sequence[str]], server: Server, cwd: Path | None = None) -> Spent:
    """Run commands one after the other beside a server; return what they took together.

    Raises:
        LoadFailed: one of them failed.
    """
    registry = f"127.0.0.1:{server.target.port}"
    before = machine.cpu_seconds(server.pid)
    began = time.perf_counter()
    used = [_run(words, environment() | {"LOCAL_REGISTRY": registry}, cwd) for words in commands]
    seconds = time.perf_counter() - began
    cpu = machine.cpu_seconds(server.pid) - before + sum(one.cpu for one in used)
    return Spent(seconds, cpu, max(one.memory for one in used))


def _run(words: Sequence[str], env: dict[str, str], cwd: Path | None) -> Spent:
    process = subprocess.Popen(
        words, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr
    watch = _Watch(process.pid)
    with process.stderr as stderr:
        said = stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise LoadFailed(f"{' '.join(words)}: {said[-1500:].decode(errors='replace')}")
    return Spent(0, usage.ru_utime + usage.ru_stime, watch.most)


class _Watch(threading.Thread):
    """The most memory that a process had resident, in MiB, since its program began.

    What wait4 tells includes what the process that started it had.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self.most = 0.0
        self.start()

    def run(self) -> None:
        """Look until it has ended."""
        while found := self._high_water():
            self.most = found
            time.sleep(_LOOK)

    def _high_water(self) -> float:
        with contextlib.suppress(OSError):
            for line in self._status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0

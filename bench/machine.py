"""What the kernel says of this machine and of running processes, and what to ask of it."""

from __future__ import annotations

import os
import platform
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TICKS = os.sysconf("SC_CLK_TCK")
_IN_MEMORY = {"tmpfs", "ramfs", "overlay"}


def family(pid: int) -> list[int]:
    """Return ``pid`` and all processes below it; those that ended meanwhile are left out."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in children.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and those below it used; source: proc(5), stat."""
    total = 0
    for member in family(pid):
        # The second field, the program's name, may hold spaces; it ends with the last bracket.
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process and those below it, in MB of 10⁶ bytes."""
    total = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total / 1e6


def highest_mb(pid: int) -> Callable[[Callable[[], None], Callable[[], bool]], float]:
    """Return what watches a process beside a crowd, and gives its highest resident memory in MB."""

    def beside(ready: Callable[[], None], more: Callable[[], bool]) -> float:
        ready()
        most = 0.0
        while more():
            most = max(most, resident_mb(pid))
            time.sleep(0.05)
        return most

    return beside


def evict(path: Path) -> None:
    """Have the kernel forget what it holds of a file in memory, so that a read meets the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def filesystem(path: Path) -> str:
    """Return the type of the file system that holds ``path``, as /proc/mounts calls it."""
    device = path.stat().st_dev
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        _, mount, kind, *_ = line.split()
        try:
            if Path(mount).stat().st_dev == device:
                return kind
        except OSError:
            continue
    return "unknown"


def is_disk(path: Path) -> bool:
    """Say whether files below ``path`` lie on a disk, as far as the file system's type tells."""
    return filesystem(path) not in _IN_MEMORY


def free_gib(path: Path) -> float:
    """Return the free space below ``path`` in GiB."""
    return shutil.disk_usage(path).free / 2**30


def describe(path: Path) -> str:
    """Return one line on the processor, memory, kernel, and file system below ``path``."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = models[0] if models else platform.machine()
    kernel = f"Linux {platform.release().split('-')[0]}"
    return f"{os.cpu_count()} cores, {model}, {memory:.0f} GiB, {kernel}, {filesystem(path)}"

"""A small disk of a server's own: a tmpfs in its mount namespace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.registries import Running

MIB = 1 << 20


def on_small_disk(store: Path, mib: int) -> list[str]:
    """Return what to put before a server's command; its store is a disk of so many MiB then."""
    store.mkdir()
    # As root, and so that what the server sees there is nobody else's to clean up.
    script = f'mount -t tmpfs -o size={mib}m,mode=755 tmpfs "$0" && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(store)]


class Disk:
    """The disk that a registry has, seen from outside."""

    def __init__(self, registry: Running) -> None:
        self.root = Path(f"/proc/{registry.process.pid}/root{registry.store}")

    @property
    def free(self) -> int:
        """How many bytes are free."""
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_bsize

    def fill(self, leave: int) -> None:
        """Leave that many bytes."""
        with (self.root / "filler").open("ab") as filler:
            while (size := self.free - leave) > 0:
                filler.write(bytes(min(size, MIB)))
                filler.flush()

    def empty(self) -> None:
        """Take away what `fill` put there."""
        (self.root / "filler").unlink()

"""How much of the disk downloads may take: the rest stays free for pushes, and for others.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lreg.errors import StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.protocol import Source

# What stays free where nothing is set: so many bytes, of a small disk this part.
_RESERVE, _PART = 10**9, 20
# So often it is looked, in bytes that came.
_STEP = 1 << 20


class Room:
    """The disk under a folder, and how much of it is to stay free.

    Args:
        folder: any that lies on it.
        reserve: in bytes; None: 1 GB, or a twentieth of the disk where that is less.
    """

    def __init__(self, folder: str, reserve: int | None) -> None:
        self._folder = folder
        self._reserve = reserve

    def check(self, size: int = 0) -> None:
        """Raise StoreFull unless there is room for `size` more bytes beside the reserve."""
        disk = os.statvfs(self._folder)
        if not disk.f_blocks:
            return  # a file system that does not tell
        total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        reserve = min(_RESERVE, total // _PART) if self._reserve is None else self._reserve
        if free - reserve < size:
            raise StoreFull(
                f"the registry's disk has {_words(free)} left, of which downloads leave "
                f"{_words(reserve)} (disk-reserve): free some space there"
                + (f", this one needs {_words(size)} more" if size else "")
            )


def _words(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


class Within:
    """The bytes of a source (store.protocol.Source), as long as there is room for them."""

    def __init__(self, source: Source, room: Room) -> None:
        self._source = source
        self._room = room

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give every piece to `sink`; raise StoreFull, or what the source raises."""
        left = 0

        def take(piece: memoryview) -> None:
            nonlocal left
            left -= len(piece)
            if left < 0:
                self._room.check()
                left = _STEP
            sink(piece)

        await self._source.pump(take)

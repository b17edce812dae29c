"""A blob, and what takes it."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

from lreg.oci.digest import Digest
from tests.unit.client.conftest import NAME

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository

BLOB = random.Random("pump").randbytes(6 << 20)
DIGEST = Digest.of(BLOB)
BLOBS = f"/v2/{NAME}/blobs/"


class Sink:
    """Keeps what it gets, and notes who calls it and when."""

    def __init__(self, pause: float = 0.0) -> None:
        self.data = bytearray()
        self.times: list[float] = []
        self.pause = pause
        self._busy = threading.Lock()

    def __call__(self, piece: memoryview) -> None:
        """Take a piece."""
        assert threading.current_thread() is not threading.main_thread()
        assert self._busy.acquire(blocking=False), "two threads at once"
        self.times.append(time.monotonic())
        time.sleep(self.pause)
        self.data += piece
        self._busy.release()


async def pump(repository: RemoteRepository, sink: Sink, start: int = 0) -> int | None:
    """Pump one answer into the sink; return the size that it told."""
    async with repository.read_blob(DIGEST, start) as body:
        await body.pump(sink)
        return body.size


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))

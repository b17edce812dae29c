"""When blobs were last used: the atime of their files, set by lreg, at most once a minute each."""

from __future__ import annotations

import contextlib
import os
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lreg.oci.digest import Digest
    from lreg.store.layout import Layout
    from lreg.store.threads import Threads

_GRAIN = 60.0
_MOST_KEPT = 1 << 16


class Uses:
    """The last uses of a store's blobs, the latest of them in memory as well."""

    def __init__(self, layout: Layout, threads: Threads) -> None:
        self._layout = layout
        self._threads = threads
        self._noted: OrderedDict[Digest, float] = OrderedDict()

    def note(self, digest: Digest) -> None:
        """Note that the blob was used just now; for the event loop, never waits."""
        now = time.time()
        if 0 <= now - self._noted.get(digest, 0.0) < _GRAIN:
            return
        self._noted[digest] = now
        self._noted.move_to_end(digest)
        if len(self._noted) > _MOST_KEPT:
            self._noted.popitem(last=False)
        self._threads.soon(self._write, digest)

    def last(self, digest: Digest, status: os.stat_result) -> float:
        """Return when the blob was last used, in seconds since 1970 and never later than now.

        Blocks, safe in any thread. A use in the future was written before the clock was set back:
        it counts as one just now, and is written down as that, so that the blob grows old from
        here on.
        """
        now, noted = time.time(), self._noted.get(digest, 0.0)
        if status.st_atime > now:
            self._write(digest)
            return now
        return max(noted if noted <= now else 0.0, status.st_atime)

    def _write(self, digest: Digest) -> None:
        path = self._layout.blob(digest)
        # Not where it is gone, or belongs to another user: then it is as old as the system says.
        with contextlib.suppress(OSError):
            os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))

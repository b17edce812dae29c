"""All downloads of one server: which run, which wait, who is told how they end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from lreg.errors import (
    BlobUnknown,
    LregError,
    RegistryError,
    Unavailable,
    UpstreamFailed,
    UpstreamWrong,
)
from lreg.upstream.download import Downloads
from lreg.upstream.fill import Fill
from lreg.upstream.memory import Lately
from lreg.upstream.trouble import translated, without_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.config import Config
    from lreg.oci.digest import Digest
    from lreg.upstream.figures import Figures
    from lreg.upstream.fill import Attempt, Wanted

log = logging.getLogger(__name__)

# For so many seconds a blob that came wrong is not asked for again.
_WRONG_SECONDS = 30.0
# So many downloads may wait for their turn.
_MOST_WAITING = 4096


class Fills:
    """Brings blobs, each once.

    Args:
        config: how many at a time in the background, and how patiently.
        figures: where to count.
        grew: told how many bytes a blob has that is in the store now.
    """

    def __init__(self, config: Config, figures: Figures, grew: Callable[[int], None]) -> None:
        self._jobs = config.fill_jobs
        self._downloads = Downloads(config, figures)
        self._figures = figures
        self._grew = grew
        self._known: dict[Digest, Fill] = {}
        self._waiting: OrderedDict[Digest, Fill] = OrderedDict()
        self._wrong: Lately[tuple[object, ...], RegistryError] = Lately()
        self._brought: Lately[Digest, tuple[float, int]] = Lately()
        self._running = 0
        self._closed = False

    @property
    def in_flight(self) -> frozenset[Digest]:
        """What is on its way or waits for its turn."""
        return frozenset(self._known)

    def find(self, digest: Digest) -> Fill | None:
        """Return the fill of a blob that is on its way or waits for its turn."""
        return self._known.get(digest)

    def start(self, wanted: Wanted, *, background: bool = False) -> Fill:
        """Return the one fill of a blob, begun now if need be.

        Args:
            wanted: the blob.
            background: whether it may wait for its turn; else it runs at once.

        Raises:
            UpstreamFailed: it came wrong a moment ago.
            Unavailable: the server is stopping.
        """
        if self._closed or (background and len(self._waiting) >= _MOST_WAITING):
            raise Unavailable
        if (fill := self._known.get(wanted.digest)) is None:
            if error := self._wrong.recall(wanted.place):
                raise error.with_traceback(None)
            fill = self._known[wanted.digest] = Fill(wanted)
            self._waiting[wanted.digest] = fill
        else:
            # It is to be linked into this repository as well.
            wanted.target.partial(wanted.digest)
        if not background:
            self._run(fill)
        self._run_waiting()
        return fill

    async def opened(self, wanted: Wanted, *, background: bool = False) -> tuple[Fill, Attempt]:
        """Return the fill of a blob, and its attempt once upstream has begun to answer.

        Where another repository's fill of the blob fails, one from here is begun.

        Raises:
            RegistryError: it does not come from here either.
        """
        while True:
            fill = self.start(wanted, background=background)
            try:
                return fill, await asyncio.shield(fill.opened)
            except RegistryError:
                if self._closed or fill.wanted.place == wanted.place:
                    raise

    async def done(self, wanted: Wanted) -> None:
        """Return once a blob is in the store; raise RegistryError where it does not come."""
        while True:
            fill = self.start(wanted)
            try:
                return await asyncio.shield(fill.done)
            except RegistryError:
                if self._closed or fill.wanted.place == wanted.place:
                    raise

    async def close(self) -> None:
        """Stop all downloads; what has come of them stays for the next run."""
        self._closed = True
        tasks = [fill.task for fill in self._known.values() if fill.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def brought_since(self, digest: Digest, moment: float) -> int | None:
        """Return how many bytes a fill brought that ended after `moment` (monotonic), or None."""
        ended, count = self._brought.recall(digest) or (0.0, 0)
        return count if ended > moment else None

    def _run(self, fill: Fill) -> None:
        if self._waiting.pop(fill.wanted.digest, None) is None:
            return
        self._running += 1
        fill.task = asyncio.create_task(self._see_through(fill))
        self._show()

    def _run_waiting(self) -> None:
        while self._waiting and self._running < self._jobs:
            self._run(next(iter(self._waiting.values())))
        self._show()

    def _show(self) -> None:
        self._figures.running, self._figures.waiting = self._running, len(self._waiting)

    async def _see_through(self, fill: Fill) -> None:
        """Bring one blob; whatever becomes of it, everyone who waits is told."""
        wanted = fill.wanted
        fields: dict[str, object] = {"digest": str(wanted.digest), "upstream": wanted.upstream.host}
        problem: RegistryError | None = Unavailable("the registry is stopping")
        try:
            count = await self._downloads.bring(fill)
            self._brought.remember(wanted.digest, (time.monotonic(), count))
            problem = None
            log.info("fill.done", extra=fields)
        except LregError as error:
            problem = translated(error, BlobUnknown, wanted.upstream.host)
            if isinstance(problem, UpstreamWrong):
                self._wrong.remember(wanted.place, problem, _WRONG_SECONDS)
            log.warning("fill.failed", extra=fields | {"error": without_queries(str(error))})
        except Exception as error:
            problem = UpstreamFailed(f"the registry failed to fetch it: {error}")
            log.exception("fill.failed", extra=fields)
        finally:
            self._figures.failed[wanted.upstream.host] += problem is not None
            fill.end(problem)
            self._known.pop(wanted.digest, None)
            self._running -= 1
            if not self._closed:
                self._grew(fill.fetched)
                self._run_waiting()

"""All downloads of one server: which run, which wait, how one goes on when the line drops."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from lreg.client.patience import Patience, retry_after
from lreg.errors import (
    BlobUnknown,
    DigestInvalid,
    LregError,
    RangeInvalid,
    RegistryError,
    SizeInvalid,
    StoreFull,
    TransferBroken,
    Unavailable,
    UpstreamFailed,
)
from lreg.upstream.fill import HELD_BACK, Arriving, Attempt, Fill
from lreg.upstream.memory import Lately
from lreg.upstream.trouble import is_broken, is_timeout, translated, without_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.config import Config
    from lreg.oci.digest import Digest
    from lreg.upstream.figures import Figures
    from lreg.upstream.fill import Wanted

log = logging.getLogger(__name__)

# Who waits for the first byte is told soon that there is none; who has some is worth more patience.
_FIRST_TRIES = 3
# For so many seconds a blob that came wrong twice is not asked for again.
_WRONG_SECONDS = 30.0
# So many downloads may wait for their turn.
_MOST_WAITING = 4096
# What came is not, or does not fit to, what the digest names.
_WRONG = (DigestInvalid, SizeInvalid, RangeInvalid)


class Fills:
    """Brings blobs, each once.

    Args:
        config: how many at a time in the background, and how patiently.
        figures: where to count.
        grew: told how many bytes a blob has that is in the store now.
    """

    def __init__(self, config: Config, figures: Figures, grew: Callable[[int], None]) -> None:
        self._jobs = config.fill_jobs
        self._patience = config.upstream_patience
        self._pauses = Patience(longest=30.0)
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
            await self._bring(fill)
            problem = None
            log.info("fill.done", extra=fields)
        except LregError as error:
            problem = translated(error, BlobUnknown, wanted.upstream.host)
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

    async def _bring(self, fill: Fill) -> None:
        """Bring one blob, with a second attempt where the first brought something else."""
        try:
            await self._attempt(fill)
        except _WRONG as error:
            self._note_wrong(fill, error)
        else:
            return
        try:
            await self._attempt(fill)
        except _WRONG as error:
            self._note_wrong(fill, error)
            problem = UpstreamFailed(f"{fill.wanted.upstream.host} sends a wrong blob: {error}")
            self._wrong.remember(fill.wanted.place, problem, _WRONG_SECONDS)
            raise problem from error

    def _note_wrong(self, fill: Fill, error: RegistryError) -> None:
        host = fill.wanted.upstream.host
        self._figures.wrong[host] += 1
        fields = {
            "digest": str(fill.wanted.digest),
            "upstream": host,
            "error": without_queries(str(error)),
        }
        log.warning("fill.wrong", extra=fields)

    async def _attempt(self, fill: Fill) -> None:
        """Bring all bytes into a file, verify them, let the readers end, keep the file.

        Raises:
            DigestInvalid, SizeInvalid, RangeInvalid: they are wrong; the file is thrown away.
        """
        wanted, host = fill.wanted, fill.wanted.upstream.host
        partial = wanted.target.partial(wanted.digest)
        await partial.ready()

        def arrived(count: int) -> None:
            self._figures.fetched[host] += count
            fill.fetched += count

        attempt = Attempt(partial, wanted.size, arrived)
        problem: RegistryError | None = Unavailable("the registry is stopping")
        try:
            await self._download(fill, attempt)
            await partial.verify()
            problem = None
        except LregError as error:
            problem = translated(error, BlobUnknown, wanted.upstream.host)
            if isinstance(error, _WRONG):
                fill.close()
            # On a full disk the room is for what still fits.
            if isinstance(error, (*_WRONG, StoreFull)):
                await partial.discard()
            raise
        finally:
            attempt.end(problem)
            if problem:
                await partial.release()
        fill.open(attempt)
        await partial.commit()
        fetched = partial.offset - attempt.begin
        self._brought.remember(wanted.digest, (time.monotonic(), fetched))

    async def _download(self, fill: Fill, attempt: Attempt) -> None:
        """Bring all bytes, over as many connections as it takes.

        Raises:
            LregError: patience ran out, or upstream does not have it.
        """
        partial, failures, last = attempt.partial, 0, time.monotonic()
        while attempt.size is None or partial.offset < attempt.size:
            begin = partial.offset
            try:
                await self._read_on(fill, attempt)
                failure: LregError = TransferBroken(f"it ended after {partial.offset} bytes")
                if attempt.size is None:
                    attempt.size = partial.offset
            except LregError as error:
                if not is_broken(error):
                    raise
                failure = error
            if partial.offset == attempt.size:
                break
            if partial.offset > begin:
                failures, last = 0, time.monotonic()
            failures += 1
            spent = time.monotonic() - last > self._patience
            if spent or (not fill.opened.done() and failures >= _FIRST_TRIES):
                raise failure
            await self._pause(fill, failure, failures)

    async def _read_on(self, fill: Fill, attempt: Attempt) -> None:
        """Take what one request brings, from where the file ends."""
        wanted = fill.wanted
        async with (
            wanted.upstream.repository(wanted.path, transfer=True) as repository,
            repository.read_blob(wanted.digest, attempt.partial.offset, attempt.size) as body,
        ):
            if attempt.size is None:
                attempt.size = body.size
            elif body.size not in (None, attempt.size):
                raise SizeInvalid(f"the blob has {body.size} bytes there, not {attempt.size}")
            # A small blob is held back whole: its readers may as well hear how it ends.
            if attempt.size is not None and attempt.size > HELD_BACK:
                fill.open(attempt)
            await attempt.partial.append(Arriving(body, attempt))

    async def _pause(self, fill: Fill, failure: LregError, failures: int) -> None:
        """Wait before the next request, as long as upstream asks for where it asks."""
        host = fill.wanted.upstream.host
        headers = failure.headers if isinstance(failure, RegistryError) else {}
        asked = retry_after(headers.get("Retry-After"))
        if asked is not None and not fill.opened.done():
            raise failure
        pause = self._pauses.pause(failures) if asked is None else min(asked, self._patience)
        self._figures.resumed[host] += 1
        self._figures.stalled[host] += is_timeout(failure)
        fields = {
            "digest": str(fill.wanted.digest),
            "upstream": host,
            "error": without_queries(str(failure)),
        }
        log.info("fill.resumed", extra=fields | {"pause": round(pause, 3)})
        await asyncio.sleep(pause)

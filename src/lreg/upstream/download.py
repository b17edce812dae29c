"""How one blob comes: over as many connections as it takes, verified, thrown away where wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from lreg.client.patience import Patience, retry_after
from lreg.errors import (
    BlobUnknown,
    DigestInvalid,
    LregError,
    RangeInvalid,
    RegistryError,
    SizeInvalid,
    SizeUnstated,
    StoreFull,
    TransferBroken,
    Unavailable,
    UpstreamWrong,
)
from lreg.upstream.fill import HELD_BACK, Arriving, Attempt
from lreg.upstream.trouble import is_broken, is_timeout, translated, without_queries

if TYPE_CHECKING:
    from lreg.client.blobs import BlobBody
    from lreg.config import Config
    from lreg.upstream.figures import Figures
    from lreg.upstream.fill import Fill

log = logging.getLogger(__name__)

# Who waits for the first byte is told soon that there is none; who has some is worth more patience.
_FIRST_TRIES = 3
_LONGEST_PAUSE = 30.0
# What came is not, or does not fit to, what the digest names.
_WRONG = (DigestInvalid, SizeInvalid, RangeInvalid)


class Stamina:
    """How long a download is kept up: as long as enough of it comes, not just a byte now and then.

    Args:
        offset: where it begins, in bytes.
        patience: seconds without progress after which it is given up.
        enough: bytes that count as progress.

    Attributes:
        failures: how many connections in a row brought too little.
    """

    def __init__(self, offset: int, patience: float, enough: int) -> None:
        self.failures = 0
        self._patience = patience
        self._enough = enough
        self._offset, self._last = offset, time.monotonic()

    def spend(self, offset: int) -> bool:
        """Take note of a connection that ended at `offset`; return whether to go on."""
        if offset - self._offset >= self._enough:
            self.failures, self._offset, self._last = 0, offset, time.monotonic()
        self.failures += 1
        return time.monotonic() - self._last <= self._patience


class Downloads:
    """Brings the bytes of single blobs.

    Args:
        config: how patiently, and how many bytes at most.
        figures: where to count.
    """

    def __init__(self, config: Config, figures: Figures) -> None:
        self._patience = config.upstream_patience
        self._stall = config.upstream_stall
        self._limit = config.blob_limit
        self._pauses = Patience(longest=_LONGEST_PAUSE)
        self._figures = figures

    async def bring(self, fill: Fill) -> int:
        """Bring one blob into the store, with a second attempt where the first brought another.

        Returns:
            How many bytes of it came, beside what was here before.

        Raises:
            UpstreamWrong: both did, or there was no end to it.
            LregError: it does not come.
        """
        try:
            return await self._attempt(fill)
        except SizeUnstated as error:
            raise self._wrong(fill, error) from error
        except _WRONG as error:
            self._wrong(fill, error)
        try:
            return await self._attempt(fill)
        except _WRONG as error:
            raise self._wrong(fill, error) from error

    def _wrong(self, fill: Fill, error: RegistryError) -> UpstreamWrong:
        """Take note of an attempt that brought something else; return what to say of it."""
        host = fill.wanted.upstream.host
        self._figures.wrong[host] += 1
        log.warning("fill.wrong", extra=_fields(fill, error))
        return UpstreamWrong(f"{host} sends a wrong blob: {error}")

    async def _attempt(self, fill: Fill) -> int:
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

        attempt = Attempt(partial, wanted.size, self._limit, arrived)
        problem: RegistryError | None = Unavailable("the registry is stopping")
        try:
            await self._download(fill, attempt)
            await partial.verify()
            problem = None
        except LregError as error:
            problem = translated(error, BlobUnknown, host)
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
        return partial.offset - attempt.begin

    async def _download(self, fill: Fill, attempt: Attempt) -> None:
        """Bring all bytes, over as many connections as it takes.

        Raises:
            LregError: patience ran out, or upstream does not have it.
        """
        partial, floor = attempt.partial, fill.wanted.upstream.settings.rate_floor
        enough = max(1, int(floor * self._stall))
        stamina = Stamina(partial.offset, self._patience, enough)
        while attempt.size is None or partial.offset < attempt.size:
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
            goes_on = stamina.spend(partial.offset)
            if not goes_on or (not fill.opened.done() and stamina.failures >= _FIRST_TRIES):
                raise failure
            await self._pause(fill, failure, stamina.failures)

    async def _read_on(self, fill: Fill, attempt: Attempt) -> None:
        """Take what one request brings, from where the file ends."""
        wanted, partial = fill.wanted, attempt.partial
        async with (
            wanted.upstream.repository(wanted.path, transfer=True) as repository,
            repository.read_blob(wanted.digest, partial.offset, attempt.size) as body,
        ):
            if problem := _misfit(body, attempt):
                # It may be a gateway's page in the middle of a blob that is right so far.
                raise TransferBroken(problem) if partial.offset else SizeInvalid(problem)
            if attempt.size is None:
                attempt.size = body.size
            if attempt.size is not None:
                await partial.expect(attempt.size - partial.offset)
            # A small blob is held back whole: its readers may as well hear how it ends.
            if attempt.size is not None and attempt.size > HELD_BACK:
                fill.open(attempt)
            await partial.append(Arriving(body, attempt))

    async def _pause(self, fill: Fill, failure: LregError, failures: int) -> None:
        """Wait before the next request, as long as upstream asks for where it asks."""
        host = fill.wanted.upstream.host
        headers = failure.headers if isinstance(failure, RegistryError) else {}
        asked = retry_after(headers.get("Retry-After"))
        if asked is not None and not fill.opened.done():
            raise failure
        # "At once" is no reason to ask again and again.
        pause = min(max(asked or 0.0, self._pauses.pause(failures)), self._patience)
        self._figures.resumed[host] += 1
        self._figures.stalled[host] += is_timeout(failure)
        log.info("fill.resumed", extra=_fields(fill, failure) | {"pause": round(pause, 3)})
        await asyncio.sleep(pause)


def _misfit(body: BlobBody, attempt: Attempt) -> str:
    """Return why an answer can't bring the blob, in words; "" where it can."""
    if body.packed:
        return f"it comes packed ({body.packed:.20}), though not asked to: its bytes are others"
    if attempt.size is not None and body.size not in (None, attempt.size):
        return f"the blob has {body.size} bytes there, not {attempt.size}"
    return ""


def _fields(fill: Fill, error: LregError) -> dict[str, object]:
    return {
        "digest": str(fill.wanted.digest),
        "upstream": fill.wanted.upstream.host,
        "error": without_queries(str(error)),
    }

"""One repository at its upstream: asked, fetched from, and remembered.

Whatever is asked of upstream is asked once, however many wait for it, and goes on to its end even
where they leave.
"""

from __future__ import annotations

import asyncio
import logging
import time
from enum import Enum
from typing import TYPE_CHECKING

from lreg.errors import (
    LregError,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
    StoreFull,
)
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.upstream.memory import ABSENT_SECONDS, Lately, Once
from lreg.upstream.referrers import Referrers
from lreg.upstream.trouble import ABSENT, translated, without_queries

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.caching import CachingRepository, Tagged
    from lreg.upstream.blobs import Blobs
    from lreg.upstream.dial import Upstream

log = logging.getLogger(__name__)

# For so long a check that failed counts as one, in seconds.
_FAILED_SECONDS = 60.0
# A client that could be answered from here waits no longer than this for a check.
_CHECK_SECONDS = 10.0
# A manifest has some kilobytes: one that comes byte by byte is none that anybody waits for.
_FETCH_SECONDS = 120.0


class Verdict(Enum):
    """What came of asking upstream about a tag."""

    CURRENT = "what is here is upstream's"
    MOVED = "it was another, which is here now"
    UNKNOWN = "upstream could not be asked"


class Source:
    """Where the content of one cached repository comes from.

    Args:
        upstream: the registry.
        path: the repository's name there.
        local: the repository here.
        blobs: brings what its manifests name.
    """

    def __init__(
        self,
        upstream: Upstream,
        path: RepositoryName,
        local: CachingRepository,
        blobs: Blobs,
    ) -> None:
        self.upstream = upstream
        self._path = path
        self._local = local
        self.blobs = blobs
        self.referrers = Referrers(upstream, path, local)
        self._fetching: Once[Tag | Digest, Manifest] = Once()
        self._checking: Once[Tag, Verdict] = Once()
        self._absent: Lately[Tag | Digest, RegistryError] = Lately()
        self._failed: Lately[Tag, bool] = Lately()

    async def fetch(self, want: Tag | Digest, *, lazily: bool = False) -> Manifest:
        """Return upstream's manifest, which is stored here by then.

        Args:
            want: a tag, or a digest.
            lazily: whether to give up at once where upstream was out of reach a moment ago.

        Raises:
            ManifestUnknown: upstream does not have it.
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not give it.
        """
        if error := self._absent.recall(want):
            raise error.with_traceback(None)
        self.upstream.respect(lazily=lazily)
        return await self._fetching.result(want, lambda: self._fetch(want, None))

    async def check(self, tag: Tag, tagged: Tagged, *, anyway: bool = False) -> Verdict:
        """Ask upstream, by HEAD, whether a cached tag is still what it was.

        Args:
            tag: the tag.
            tagged: what it means here.
            anyway: whether to ask even where that failed a moment ago.

        Raises:
            ManifestUnknown: upstream has it no more.
        """
        if self.upstream.offline:
            return Verdict.UNKNOWN
        if not anyway:
            if error := self._absent.recall(tag):
                raise error.with_traceback(None)
            if self.upstream.resting or self._failed.recall(tag):
                return Verdict.UNKNOWN
        return await self._checking.result(tag, lambda: self._check(tag, tagged))

    async def _fetch(self, want: Tag | Digest, tag: Tag | None) -> Manifest:
        """Get a manifest and store it, under `want` or `tag` where one of them is a tag."""
        begin = time.time()
        try:
            async with (
                asyncio.timeout(_FETCH_SECONDS),
                self.upstream.repository(self._path) as remote,
            ):
                manifest = await remote.manifest(want)
        except TimeoutError:
            raise self.upstream.silent() from None
        except LregError as error:
            problem = translated(error, ManifestUnknown, self.upstream.host)
            if isinstance(problem, ManifestUnknown):
                self._absent.remember(want, problem, ABSENT_SECONDS)
            raise problem from error
        target = tag if isinstance(want, Digest) else want
        await self.keep(manifest, target, begin)
        self.blobs.prefetch(manifest)
        return manifest

    async def keep(self, manifest: Manifest, tag: Tag | None, checked: float) -> None:
        """Store upstream's manifest as it was at `checked`, in seconds since 1970."""
        try:
            await self._local.put_fetched(manifest, tag, checked, adopt=not self.blobs.guarded)
        except StoreFull as error:
            # Who asked can have it all the same.
            log.warning("manifest.not_kept", extra={"error": str(error)})

    async def _check(self, tag: Tag, tagged: Tagged) -> Verdict:
        begin = time.time()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                async with self.upstream.repository(self._path) as remote:
                    there = await _meaning(remote, tag)
                self._absent.forget(tag)
                if there == tagged.digest:
                    await self._local.note_checked(tag, there, begin)
                    return Verdict.CURRENT
                await self._move(tag, there, begin)
        except ABSENT as error:
            if not error.told:
                return self._unchecked(tag, error)
            raise await self._gone(tag, tagged, begin, error) from error
        except TimeoutError:
            return self._unchecked(tag, self.upstream.silent())
        except LregError as error:
            return self._unchecked(tag, error)
        return Verdict.MOVED

    async def _gone(
        self, tag: Tag, tagged: Tagged, checked: float, error: LregError
    ) -> ManifestUnknown:
        """Note that upstream has a tag no more; return what to say where nobody pinned it."""
        await self._local.note_checked(tag, None, checked)
        log.warning("tag.gone", extra={"image": self._image(tag), "pinned": tagged.record.pinned})
        problem = ManifestUnknown(
            f"{error}; what it was until now is here: pull it by its digest {tagged.digest}, or "
            f"`lreg pin {self._image(tag)}` keeps the tag"
        )
        self._absent.remember(tag, problem, ABSENT_SECONDS)
        return problem

    def _image(self, tag: Tag) -> str:
        return f"{self._local.name}:{tag}"

    def _unchecked(self, tag: Tag, error: LregError) -> Verdict:
        """Let a check that failed count as one for a while."""
        words = without_queries(str(error))
        log.warning("tag.not_checked", extra={"image": self._image(tag), "error": words})
        self._failed.remember(tag, True, _FAILED_SECONDS)
        return Verdict.UNKNOWN

    async def _move(self, tag: Tag, digest: Digest, checked: float) -> None:
        """Let a tag mean another manifest, which may be here already."""
        try:
            held = await self._local.manifest(digest)
        except (ManifestUnknown, NameUnknown):
            await self._fetch(digest, tag)
        else:
            manifest = Manifest.parse(held.data, held.media_type, digest.algorithm)
            await self._local.put_fetched(manifest, tag, checked, adopt=not self.blobs.guarded)


async def _meaning(remote: RemoteRepository, tag: Tag) -> Digest:
    """Return what a tag means there; raise one of ABSENT, `told` where a registry says so."""
    try:
        return (await remote.resolve(tag)).digest
    except ABSENT:
        # A HEAD has no words: it may have been a gateway whose registry is away.
        return (await remote.manifest(tag)).digest

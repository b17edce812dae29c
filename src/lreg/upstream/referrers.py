"""What upstream lists as referring to the manifests of one cached repository.

A list changes as a tag does: it is believed for a time, then asked for anew, and what is here is
good enough where upstream fails.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.client import referrers
from lreg.errors import LregError, RegistryError, StoreFull, UpstreamFailed, UpstreamUnreachable
from lreg.store.caching import Listed
from lreg.store.protocol import Origin, ReferrersList
from lreg.upstream.contents import Contents
from lreg.upstream.freshness import left
from lreg.upstream.memory import Lately, Once
from lreg.upstream.trouble import translated, without_queries

if TYPE_CHECKING:
    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName
    from lreg.store.caching import CachingRepository, Referring
    from lreg.upstream.dial import Upstream
    from lreg.upstreams import Ttl

log = logging.getLogger(__name__)

# For so long a question that failed counts as one, in seconds, where there is a list from before.
_FAILED_SECONDS = 60.0
# Some small pages: a client waits for them, and verifies nothing before.
_ASK_SECONDS = 20.0


class Referrers:
    """Upstream's lists of referrers.

    Args:
        upstream: the registry.
        path: the repository's name there.
        local: the repository here, which keeps the lists of the manifests that it holds.
    """

    def __init__(self, upstream: Upstream, path: RepositoryName, local: CachingRepository) -> None:
        self._upstream = upstream
        self._path = path
        self._local = local
        self._asking: Once[Digest, Listed] = Once()
        self._failed: Lately[Digest, bool] = Lately()

    async def find(
        self, subject: Digest, here: Referring, ttl: Ttl, *, lazily: bool
    ) -> ReferrersList:
        """Return what upstream lists, as it said a while ago or as it says now.

        Args:
            subject: the manifest.
            here: what is known here of its referrers.
            ttl: how long upstream's list is believed.
            lazily: whether to give up at once where upstream was out of reach a moment ago.

        Raises:
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not tell, and never did.
        """
        now, kept = time.time(), here.listed
        if kept and left(ttl, kept.checked, now) > 0:
            return _list(kept, here, Origin.CACHE)
        if ttl.mode == "offline":
            raise UpstreamUnreachable(f"{self._upstream.host} is not to be asked for this")
        if kept is None:
            self._upstream.respect(lazily=lazily)
            return _list(await self.ask(subject), here, Origin.UPSTREAM)
        if not self._upstream.resting and not self._failed.recall(subject):
            try:
                return _list(await self.ask(subject), here, Origin.UPSTREAM)
            except RegistryError as error:
                self._failed.remember(subject, True, _FAILED_SECONDS)
                image = f"{self._local.name}@{subject}"
                log.warning("referrers.not_asked", extra={"image": image, "error": str(error)})
        return replace(_list(kept, here, Origin.STALE), age=max(0.0, now - kept.checked))

    async def ask(self, subject: Digest) -> Listed:
        """Ask upstream now, once for all who wait for it, and keep what it says.

        Raises:
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not tell.
        """
        return await self._asking.result(subject, lambda: self._ask(subject))

    async def renew(self, image: Digest) -> None:
        """Ask upstream now for those lists that are kept, of an image and of what it consists of.

        Raises:
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not tell.
        """
        contents = Contents()
        await contents.add(self._local, image)
        for digest in contents.manifests:
            if (await self._local.referring(digest)).listed:
                await self.ask(digest)

    async def _ask(self, subject: Digest) -> Listed:
        begin = time.time()
        try:
            async with (
                asyncio.timeout(_ASK_SECONDS),
                self._upstream.repository(self._path) as remote,
            ):
                found = await referrers.find(remote, subject)
        except TimeoutError:
            raise self._upstream.silent() from None
        except LregError as error:
            raise translated(error, UpstreamFailed, self._upstream.host) from error
        listed = Listed(found.referrers, begin, found.is_whole)
        try:
            await self._local.note_listed(subject, listed)
        except StoreFull as error:
            # Who asked can have it all the same.
            log.warning("referrers.not_kept", extra={"error": without_queries(str(error))})
        return listed


def _list(listed: Listed, here: Referring, origin: Origin) -> ReferrersList:
    """Return upstream's list; one that its clients keep with what else came from there."""
    more = () if listed.is_whole else here.fetched
    return ReferrersList((*more, *listed.referrers), origin)

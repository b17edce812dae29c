"""Repositories whose names are this registry's own, or belong to a host nothing is fetched from.

What was pushed under the name comes first; what another repository has is the answer for the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from lreg.errors import (
    NamespaceUnknown,
    NameUnknown,
    TooManyRequests,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamUnreachable,
)
from lreg.oci.digest import Digest
from lreg.store.protocol import Origin, ReferrersList
from lreg.upstream.here import ABSENT_HERE, Here

if TYPE_CHECKING:
    from lreg.errors import RegistryError
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.reference import Tag
    from lreg.store.caching import CachingRepository
    from lreg.store.protocol import Content, Held, Page, Readable
    from lreg.upstream.repository import CachedRepository

C = TypeVar("C", bound="Content")


class _FirstHere(Here):
    """What is pushed here, then what `other` has."""

    def __init__(
        self, local: CachingRepository, other: CachingRepository | CachedRepository
    ) -> None:
        super().__init__(local)
        self._other = other

    def held(self, want: Tag | Digest) -> Held | None:
        """Return the manifest at once, where it lies in memory and may be given."""
        if held := self.local.held(want):
            return held
        if not isinstance(want, Digest) and self.local.has_tag(want):
            return None
        held = self._other.held(want)
        return held and self._named(held)

    def held_blob(self, digest: Digest) -> Held | None:
        """Return the blob at once, where it lies in memory."""
        if held := self.local.held_blob(digest):
            return held
        held = self._other.held_blob(digest)
        return held and self._named(held)

    async def manifest(self, want: Tag | Digest) -> Held:
        """Return the manifest that was pushed here, or the other's."""
        try:
            return await self.local.manifest(want)
        except ABSENT_HERE as missing:
            return self._named(await self._manifest_there(want, missing))

    async def blob(self, digest: Digest) -> Readable:
        """Return the blob that was pushed here, or the other's."""
        try:
            return await self.local.blob(digest)
        except ABSENT_HERE as missing:
            return self._named(await self._blob_there(digest, missing))

    async def peek(self, digest: Digest) -> Content:
        """Return what is known of the blob, without having it brought."""
        try:
            return await self.local.peek(digest)
        except ABSENT_HERE:
            return self._named(await self._other.peek(digest))

    def _named(self, found: C) -> C:
        """Return what the other has, as it is to be told of."""
        return found

    async def _supply(self, blob: Descriptor) -> None:
        await self.local.mount(blob.digest, self._other.name)

    async def _manifest_there(self, want: Tag | Digest, missing: RegistryError) -> Held:
        raise NotImplementedError

    async def _blob_there(self, digest: Digest, missing: RegistryError) -> Readable:
        raise NotImplementedError


class PlainRepository(_FirstHere):
    """A name of this registry: what is not here may be an image of the default upstream.

    Nothing but a tag's or a manifest's name is ever told to that: a client that looks whether its
    own blobs are here does not make it known what it is about to push.

    Args:
        local: the repository of that name.
        cached: the default upstream's of that name.
    """

    def __init__(self, local: CachingRepository, cached: CachedRepository) -> None:
        super().__init__(local, cached)
        self._cached = cached

    def _named(self, found: C) -> C:
        return replace(found, of=self._cached.name)

    async def referrers(self, subject: Digest) -> ReferrersList:
        """List what refers to a manifest; the default upstream hears of none that is here."""
        here = await self.local.referring(subject)
        if here.is_own:
            return ReferrersList(here.pushed)
        try:
            return replace(await self._cached.referrers(subject), of=self._cached.name)
        except (UpstreamFailed, UpstreamDenied, TooManyRequests):
            return ReferrersList(here.pushed, Origin.STALE)

    async def _manifest_there(self, want: Tag | Digest, missing: RegistryError) -> Held:
        """Return the default upstream's; raise `missing` where that could not be asked, too."""
        try:
            return await self._cached.manifest(want, lazily=True)
        except (*ABSENT_HERE, UpstreamUnreachable, UpstreamDenied) as error:
            raise type(missing)(f"{missing}; {error}", detail=missing.detail) from error

    async def _blob_there(self, digest: Digest, missing: RegistryError) -> Readable:
        """Return the default upstream's, where a manifest that was given out names it."""
        if not await self._cached.local.names_blob(digest):
            raise missing
        return await self._cached.blob(digest)

    async def _supply(self, blob: Descriptor) -> None:
        if await self._cached.local.names_blob(blob.digest):
            await self._cached.source.blobs.whole(blob)
        await super()._supply(blob)


class ForeignRepository(_FirstHere):
    """A repository under a host that nothing is fetched from; what was pushed is there.

    Args:
        local: the one under its full name.
        plain: the one under its plain name.
        host: the host.
    """

    def __init__(self, local: CachingRepository, plain: CachingRepository, host: str) -> None:
        super().__init__(local, plain)
        self._host = host

    async def tags(self, limit: int, last: str = "") -> Page[Tag]:
        """List the tags that were pushed here."""
        try:
            return await self.local.tags(limit, last)
        except NameUnknown as missing:
            raise self._unknown(missing) from None

    async def referrers(self, subject: Digest) -> ReferrersList:
        """List the referrers that were pushed here, under the plain name too."""
        here = (await self.local.referrers(subject)).items
        plain = (await self._other.referrers(subject)).items
        if not (here or plain):
            await self.tags(0)
        found = {one.digest: one for one in (*plain, *here)}
        return ReferrersList([found[digest] for digest in sorted(found)])

    async def _manifest_there(self, want: Tag | Digest, missing: RegistryError) -> Held:
        try:
            return await self._other.manifest(want)
        except ABSENT_HERE:
            raise self._unknown(missing) from None

    async def _blob_there(self, digest: Digest, missing: RegistryError) -> Readable:
        try:
            return await self._other.blob(digest)
        except ABSENT_HERE:
            raise self._unknown(missing) from None

    def _unknown(self, missing: RegistryError) -> RegistryError:
        """Return what is missing; where there is no such repository, how one could be had."""
        if not isinstance(missing, NameUnknown):
            return missing
        return not_fetched(str(missing), self._host)


def not_fetched(what: str, host: str) -> NamespaceUnknown:
    """Return the error that says that nothing is fetched from a host, and how to allow it."""
    return NamespaceUnknown(
        f"{what}: nothing is fetched from {host}: to allow that, put "
        f'[upstream."{host}"] into lreg.toml'
    )

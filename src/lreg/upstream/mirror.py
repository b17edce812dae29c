"""The registry with the internet behind it: a store whose repositories know where to look."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from lreg import __version__
from lreg.errors import LoopDetected
from lreg.store.handles import Handles
from lreg.upstream.blobs import Blobs
from lreg.upstream.budget import Budget
from lreg.upstream.dial import Upstream
from lreg.upstream.figures import Figures
from lreg.upstream.fills import Fills
from lreg.upstream.freshness import Freshness
from lreg.upstream.names import Names
from lreg.upstream.plain import ForeignRepository, PlainRepository
from lreg.upstream.repository import CachedRepository
from lreg.upstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.config import Config
    from lreg.oci.reference import RepositoryName
    from lreg.store.caching import CachingStore
    from lreg.store.protocol import Page, Repository

Handle = CachedRepository | PlainRepository | ForeignRepository


class Mirror:
    """What the registry serves: the store, and what is to be had for it.

    Attributes:
        config: every setting.
        local: the store.
        names: the rules by which names are read.
        upstreams: the registries that may be asked, by their hosts.
        fills: what is on its way.
        figures: what was done so far.
        has_private: whether what some upstream has is only for who has logged in here.
    """

    def __init__(self, config: Config, local: CachingStore) -> None:
        """Put the internet behind `local`; to be made inside of a running event loop."""
        self.config = config
        self.local = local
        # RFC 9110, 7.6.3: who gets a request with our own mark is asked by ourselves.
        self._mark = f"lreg-{secrets.token_hex(8)}"
        via = f"1.1 {self._mark} (lreg/{__version__})"
        self.upstreams = {
            host: Upstream(settings, config, via) for host, settings in config.upstreams.items()
        }
        self.has_private = any(
            settings.readers == "authenticated" for settings in config.upstreams.values()
        )
        default = config.default_upstream
        self.names = Names(self.upstreams, default if default in self.upstreams else "")
        self.figures = Figures()
        self._budget = Budget(local, config.cache_size, lambda: self.fills.in_flight)
        self.fills = Fills(config, self.figures, self._budget.grew)
        self._freshness = Freshness(config)
        self._handles = Handles(self._made)
        self._budget.start()

    async def close(self) -> None:
        """Stop what is under way and hang up; the store stays open."""
        await self.fills.close()
        await self._budget.close()
        for upstream in self.upstreams.values():
            await upstream.close()

    def canonical(
        self, name: RepositoryName, query: str, headers: Mapping[str, str], server_name: str = ""
    ) -> RepositoryName:
        """Return the canonical name of what a request calls `name`.

        Args:
            name: as in the request's path.
            query: the request's query.
            headers: the request's headers.
            server_name: what the client called us in TLS.

        Raises:
            NameInvalid: its namespace is not a host.
            LoopDetected: the request is our own.
        """
        if "via" in headers and self._mark in headers["via"]:
            raise LoopDetected(
                f"{name}: this registry was to fetch from itself: let this machine find the real "
                'address of the upstream, or name it as [upstream."HOST"] address in lreg.toml'
            )
        host = self.names.addressee(headers.get("host", ""), server_name)
        return self.names.canonical(name, query, host)

    def sign(
        self, name: RepositoryName, query: str, headers: Mapping[str, str], server_name: str = ""
    ) -> str:
        """Return what tells the namespace of a request that calls a repository `name`.

        The arguments are those of `canonical`.

        Returns:
            `ns`, `path`, `host`, `server-name`, or "" where nothing does.
        """
        host = headers.get("host", "")
        meant = self.names.addressee(host, server_name)
        sign = self.names.sign(name, query, meant)
        return "server-name" if sign == "host" and meant is not host else sign

    def repository(self, name: RepositoryName) -> Handle | Repository:
        """Return a handle on the repository of a canonical name."""
        return self._handles.get(name)

    def cached(self, name: RepositoryName) -> CachedRepository | None:
        """Return the handle on an upstream's repository; None where the name is none of one."""
        handle = self.repository(name)
        return handle if isinstance(handle, CachedRepository) else None

    def upstream_of(self, name: RepositoryName) -> Upstream | None:
        """Return the upstream that a canonical name belongs to; None for this registry's own."""
        place = self.names.place(name)
        return None if place.plain or place.host is None else self.upstreams[place.host]

    def is_private(self, name: RepositoryName) -> bool:
        """Return whether only who has logged in here may read what a canonical name means."""
        host = self.names.place(name).host if self.has_private else None
        return host is not None and self.upstreams[host].settings.readers == "authenticated"

    async def repositories(self, limit: int, last: str = "") -> Page[RepositoryName]:
        """Return up to `limit` repositories that are here after `last`."""
        return await self.local.repositories(limit, last)

    def _made(self, name: RepositoryName) -> Handle | Repository:
        place = self.names.place(name)
        local = self.local.repository(place.name)
        if place.plain:
            if place.host is None:
                return local
            cached = self.cached(self.names.upstream_name(place.host, place.path))
            return PlainRepository(local, cached) if cached else local
        plain = self.local.repository(place.path)
        if place.host is None:
            return ForeignRepository(local, plain, place.name.text.partition("/")[0])
        upstream = self.upstreams[place.host]
        blobs = Blobs(
            upstream,
            place.path,
            local,
            self.fills,
            prefetch=self.config.prefetch,
            guarded=self.has_private,
        )
        source = Source(upstream, place.path, local, blobs)
        return CachedRepository(local, plain, source, self._freshness, self.local, self.figures)

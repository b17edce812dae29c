"""What the registry knows of itself: what it is, what it takes, who pulled, how upstreams are."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lreg import __version__
from lreg.admin.values import About, Check, Pull, Upstreams, UpstreamState
from lreg.errors import BadRequest, NameUnknown
from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName, canonical_host
from lreg.registry.admin import bodies
from lreg.upstream.budget import usage
from lreg.upstream.contents import manifest_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from lreg.oci.manifest import Manifest
    from lreg.registry.admin.routes import (
        CheckUpstreams,
        ListPulls,
        ListUpstreams,
        ReadAbout,
        ReadUsage,
    )
    from lreg.registry.http.messages import Request, Response
    from lreg.registry.pulls import Pulls
    from lreg.upstream.dial import Upstream
    from lreg.upstream.mirror import Mirror

_LINES_AT_ONCE = 256


async def read_about(mirror: Mirror, call: ReadAbout, request: Request) -> Response:
    """Tell what this registry is."""
    config = mirror.config
    hosts = tuple(sorted(mirror.upstreams))
    return bodies.write(About(__version__, config.default_upstream, hosts, config.offline))


async def read_usage(mirror: Mirror, call: ReadUsage, request: Request) -> Response:
    """Tell what the store takes."""
    found = await usage(mirror.local, mirror.config.cache_size)
    return await asyncio.to_thread(bodies.write, found)


async def list_upstreams(mirror: Mirror, call: ListUpstreams, request: Request) -> Response:
    """Tell how the upstreams were when they were last asked for something."""
    return bodies.write(_states(mirror.upstreams.values()))


async def check_upstreams(mirror: Mirror, call: CheckUpstreams, request: Request) -> Response:
    """Ask upstreams how they are."""
    asked = await bodies.read(request, Check)
    if not asked.host:
        return bodies.later(lambda: _checked(list(mirror.upstreams.values())))
    host = canonical_host(asked.host)
    if host not in mirror.upstreams:
        known = ", ".join(sorted(mirror.upstreams))
        raise NameUnknown(f"{asked.host!r:.300} is no upstream here; there are {known}")
    return bodies.later(lambda: _checked([mirror.upstreams[host]]))


async def _checked(upstreams: list[Upstream]) -> Upstreams:
    await asyncio.gather(*(upstream.check() for upstream in upstreams if not upstream.offline))
    return _states(upstreams)


def _states(upstreams: Iterable[Upstream]) -> Upstreams:
    return Upstreams(tuple(sorted(map(_state, upstreams), key=lambda one: one.host)))


def _state(upstream: Upstream) -> UpstreamState:
    quota = upstream.quota
    return UpstreamState(
        host=upstream.host,
        state="offline" if upstream.offline else upstream.state.value,
        reason=upstream.reason,
        latency=upstream.latency,
        credentials=upstream.credentials,
        address=upstream.settings.address,
        remaining=quota.remaining if quota else None,
        limit=quota.limit if quota else None,
        readers=upstream.settings.readers,
    )


async def list_pulls(mirror: Mirror, pulls: Pulls, call: ListPulls, request: Request) -> Response:
    """Tell what was pulled, one image a line; an index with the platforms that were taken of it."""
    text = request.parameters().get("since", ["86400"])[-1]
    try:
        seconds = float(text)
    except ValueError:
        raise BadRequest(f"since={text!r:.40} is not a number of seconds") from None
    found = await _Folding(mirror).folded(await pulls.since(time.time() - seconds))
    return bodies.streamed(_lines(found))


async def _lines(found: list[Pull]) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(found), _LINES_AT_ONCE):
        yield await asyncio.to_thread(_joined, found[start : start + _LINES_AT_ONCE])


def _joined(pulls: list[Pull]) -> bytes:
    return b"".join(map(bodies.line, pulls))


class _Folding:
    """Makes one pull of an index and the pulls of its images that follow.

    There may be a hundred thousand of them. The event loop looks up each manifest once; whatever
    takes a step for every pull is done in a thread.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._manifests: dict[tuple[str, str], Manifest | None] = {}
        self._platforms: dict[tuple[str, str], tuple[str, ...]] = {}

    async def folded(self, pulls: list[Pull]) -> list[Pull]:
        """Return the pulls of images.

        Args:
            pulls: oldest first.
        """
        for key in await asyncio.to_thread(lambda: set(map(_key, pulls))):
            await self._manifest(*key)
        found = await asyncio.to_thread(self._fold, pulls)
        for key in await asyncio.to_thread(
            lambda: {_key(pull) for pull in found if not pull.platforms}
        ):
            self._platforms[key] = await self._platforms_here(*key)
        return await asyncio.to_thread(self._with_platforms, found)

    def _fold(self, pulls: list[Pull]) -> list[Pull]:
        found: list[Pull] = []
        # By client, agent and repository: where each child of an index belongs.
        parents: dict[tuple[str, str, str], dict[str, tuple[int, str]]] = {}
        for pull in pulls:
            family = parents.setdefault((pull.client, pull.agent, pull.repository), {})
            if pull.tag is None and pull.digest in family:
                place, platform = family[pull.digest]
                parent = found[place]
                if platform and platform not in parent.platforms:
                    found[place] = replace(parent, platforms=(*parent.platforms, platform))
                continue
            manifest = self._manifests[_key(pull)]
            for child in manifest.children if manifest else ():
                family[str(child.digest)] = len(found), str(child.platform or "")
            found.append(pull)
        return found

    def _with_platforms(self, pulls: list[Pull]) -> list[Pull]:
        """Give the pulls of indexes platforms: those that are here, where none was seen."""
        return [
            replace(pull, platforms=here)
            if not pull.platforms and (here := self._platforms[_key(pull)])
            else pull
            for pull in pulls
        ]

    async def _platforms_here(self, name: str, digest: str) -> tuple[str, ...]:
        """Return the platforms of the images of an index that are here; none for an image."""
        manifest = await self._manifest(name, digest)
        children = manifest.children if manifest and manifest.is_index else ()
        return tuple(
            [
                str(child.platform)
                for child in children
                if child.platform and await self._manifest(name, str(child.digest))
            ]
        )

    async def _manifest(self, name: str, digest: str) -> Manifest | None:
        key = name, digest
        if key not in self._manifests:
            repository = self._mirror.local.repository(RepositoryName(name))
            self._manifests[key] = await manifest_of(repository, Digest.parse(digest))
            # What lies in memory is given without a pause.
            await asyncio.sleep(0)
        return self._manifests[key]


def _key(pull: Pull) -> tuple[str, str]:
    return pull.repository, pull.digest

"""The registries that a command talks to: which one an argument means, each opened once.

A reference without a host means the local registry (`target.local_registry`), with its name there
as it stands: `library/alpine:3.8`. A reference with a host means that registry, which may be the
local one again: `127.0.0.1:5000/library/alpine:3.8`. What the local registry keeps under a name
that begins with a host is called by both: `127.0.0.1:5000/quay.io/org/app`.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from lreg.cli.access import Access
from lreg.cli.target import local_registry
from lreg.client.admin import Admin
from lreg.client.registry import Registry
from lreg.errors import LregError
from lreg.oci.reference import Reference, Tag

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository


class Registries:
    """The registries of one command, an async context manager.

    Args:
        access: how to reach them, besides what is known of the local one.

    Raises:
        UsageError: what names the local registry is not well-formed.
    """

    def __init__(self, access: Access | None = None) -> None:
        self._access = access or Access()
        self._target = local_registry()
        self._open: dict[str, Registry] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._stack.aclose()

    @property
    def local_host(self) -> str:
        """What a reference to an image in the local registry begins with."""
        return self._target.host

    def parse(self, text: str) -> Reference:
        """Return the reference that an argument means, its host named.

        Raises:
            ReferenceInvalid, NameInvalid, TagInvalid, DigestInvalid: the part that is wrong.
        """
        reference = Reference.parse(text)
        if reference.host is None:
            return replace(reference, host=self._target.host)
        named = reference.familiar()
        # `familiar` adds a tag, and a listing's argument has none.
        return replace(named, tag=reference.tag)

    @staticmethod
    def complete(reference: Reference) -> Reference:
        """Return the reference with the tag that it means where it names none, `latest`."""
        if reference.tag or reference.digest:
            return reference
        return replace(reference, tag=Tag("latest"))

    async def local(self) -> Registry:
        """Return the local registry."""
        return await self._registry(self._target.host)

    async def lreg(self) -> Admin:
        """Return the admin API of the local registry.

        Raises:
            LregError: the local registry is not an lreg.
        """
        if (admin := await Admin.find(await self.local())) is None:
            raise LregError(
                f"{self._target.host} is not an lreg, and only an lreg can do this: `lreg start` "
                "one, or set LOCAL_REGISTRY to one"
            )
        return admin

    async def repository(self, reference: Reference) -> RemoteRepository:
        """Return a handle on the repository of a reference with a host."""
        registry = await self._registry(reference.host or self._target.host)
        return registry.repository(reference.repository)

    async def _registry(self, host: str) -> Registry:
        if (registry := self._open.get(host)) is None:
            # Of the local one it is known where its CA lies, and whether it speaks TLS.
            is_local = host == self._target.host
            made = Registry(
                self._target.url if is_local else host,
                insecure=self._access.insecure,
                ca=(self._target.ca if is_local else None) or self._access.ca,
            )
            registry = self._open[host] = await self._stack.enter_async_context(made)
        return registry

"""The registries that a command talks to: which one an argument means, each opened once.

A name without a host is one of the local registry (`target.local_registry`), as it stands there:
`library/alpine:3.8`. With that registry's own host it is the same, and so what the registry keeps
under the name of another host is called by both: `127.0.0.1:5000/quay.io/org/app`.

The name of an image with any other host means what a node gets by it (`Registries.locate`); where
something is pushed to, and whose tags are listed, it means that host (`Registries.parse`).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from lreg.cli.options.access import Access
from lreg.cli.registries.naming import repository_of
from lreg.cli.registries.target import local_registry
from lreg.client.admin import Admin
from lreg.client.registry import Registry
from lreg.errors import (
    Denied,
    LregError,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    Unauthorized,
    Unreachable,
)
from lreg.oci.reference import Reference, canonical_host

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
        self._admin: tuple[Admin | None] | None = None
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

    async def locate(self, text: str) -> Reference:
        """Return where the image is that an argument names: the registry to ask as its host.

        With another host than the local registry's that is the local one, if it is an lreg that
        has an upstream of that host (then it gives the own version, the cached one, or fetches
        it), or if it keeps the image under that name; else that host. It has a tag or a digest.

        Raises:
            as `parse`.
            Unreachable: the local registry should be there, and does not answer.
        """
        reference = self.parse(text).tagged()
        try:
            here = Reference(
                self.local_host, repository_of(reference), reference.tag, reference.digest
            )
        except NameInvalid:  # an address in brackets, or with its name too long for a repository's
            return reference
        is_here = reference.host != self.local_host and await self._answers_for(reference, here)
        return here if is_here else reference

    async def _answers_for(self, named: Reference, here: Reference) -> bool:
        """Return whether the local registry has the image `named` or would fetch it."""
        try:
            admin = await self.admin()
            if admin and canonical_host(named.host or "") in admin.about.upstreams:
                return True
            repository = await self.repository(here)
            if here.digest:
                return bool(await repository.resolve(here.digest))
            return here.tag in [tag async for tag in repository.tags()]
        # Some registries have no names of this kind, or tell nobody that they lack one.
        except (ManifestUnknown, NameUnknown, NameInvalid, Denied, Unauthorized):
            return False
        except Unreachable:
            if self._target.is_guess:
                return False
            raise

    async def local(self) -> Registry:
        """Return the local registry."""
        return await self._registry(self._target.host)

    async def admin(self) -> Admin | None:
        """Return the admin API of the local registry; None where that is no lreg."""
        if self._admin is None:
            self._admin = (await Admin.find(await self.local()),)
        return self._admin[0]

    async def lreg(self) -> Admin:
        """Return the admin API of the local registry.

        Raises:
            LregError: the local registry is not an lreg.
        """
        if (admin := await self.admin()) is None:
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

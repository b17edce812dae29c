"""A handle on one repository of any registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg import errors
from lreg.client import blobs, referrers, uploads
from lreg.client.auth import Scope
from lreg.client.connection import Ask
from lreg.client.listing import listing
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.reference import Tag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from hashlib import _Hash

    from lreg.client.blobs import BlobBody, RemoteBlob
    from lreg.client.connection import Connection
    from lreg.client.response import Response
    from lreg.client.wire import Body
    from lreg.oci.reference import RepositoryName

_ACCEPT = {"Accept": ", ".join(mediatypes.ALL_MANIFESTS)}


class RemoteRepository:
    """One repository of a registry: made by `Registry.repository`, valid as long as that is open.

    Every method may raise what `Registry` says, and NameUnknown where there is no such repository.
    """

    def __init__(self, connection: Connection, name: RepositoryName) -> None:
        self.connection = connection
        self.name = name
        self.path = f"/v2/{name}"

    @property
    def host(self) -> str:
        """The registry's name, as in a reference."""
        return self.connection.host

    def scope(self, *actions: str) -> Scope:
        """Return what a token for `actions` here must allow."""
        return Scope.of(self.name, *actions)

    async def tags(self) -> AsyncIterator[Tag]:
        """Yield the tags in the registry's order (distribution-spec, "Listing Tags")."""
        path = f"{self.path}/tags/list?n=1000"
        scope = self.scope("pull")
        async for text in listing(self.connection, path, "tags", scope, errors.NameUnknown):
            yield Tag.parse(text)

    async def manifest(self, selector: Tag | Digest) -> Manifest:
        """Return the manifest, its bytes as the registry sent them.

        Raises:
            ManifestUnknown: there is none.
            ManifestInvalid: what came is not a manifest.
            DigestInvalid: what came has another digest than was asked for or announced.
        """
        ask = self._ask("GET", selector)
        async with self.connection.answer(ask) as response:
            raw = await response.read(MAX_MANIFEST_SIZE)
            return self._verified(raw, response, selector)

    async def resolve(self, selector: Tag | Digest) -> Descriptor:
        """Return type, digest and size of the manifest: by HEAD, where that tells them all.

        Raises:
            ManifestUnknown: there is none.
        """
        # A HEAD's refusal may be a registry that does not know HEAD: the GET tells.
        allow = frozenset({400, 405, 501})
        async with self.connection.answer(self._ask("HEAD", selector, allow)) as response:
            headers = response.headers
            media_type = mediatypes.essence(headers.get("Content-Type", ""))
            length = headers.get("Content-Length", "")
            digest = headers.get("Docker-Content-Digest", "")
            told = response.status == 200 and media_type in mediatypes.ALL_MANIFESTS
            if told and length.isdecimal() and digest:
                parsed = Digest.parse(digest)
                if isinstance(selector, Tag) or parsed == selector:
                    return Descriptor(media_type, parsed, int(length))
        return (await self.manifest(selector)).descriptor

    def blob(
        self, descriptor: Descriptor, start: int = 0, hasher: _Hash | None = None
    ) -> RemoteBlob:
        """Return the blob from byte `start` on, to be read by `async for`.

        Args:
            descriptor: its digest and size.
            start: how many bytes of it are here already.
            hasher: the running hash of those, to verify the digest with; without it a blob that
                is not read from its beginning is verified for its size only.
        """
        return blobs.RemoteBlob(self, descriptor, start, hasher)

    def read_blob(
        self, digest: Digest, start: int, size: int | None = None
    ) -> AbstractAsyncContextManager[BlobBody]:
        """Ask once for a blob from byte `start` on; what breaks off is the caller's to resume.

        Args:
            digest: its name.
            start: how many bytes of it are here already.
            size: how many it has, where that is known.

        Raises:
            BlobUnknown: the registry does not have it.
            RangeInvalid: it sent another part.
        """
        return blobs.read_blob(self, digest, start, size)

    async def has_blob(self, digest: Digest) -> bool:
        """Return whether the repository holds the blob (distribution-spec, "Pulling blobs")."""
        ask = Ask(
            "HEAD",
            f"{self.path}/blobs/{digest}",
            f"blob {digest.short} of {self.name}",
            self.scope("pull"),
            allow=frozenset({404}),
        )
        async with self.connection.answer(ask) as response:
            return response.status != 404

    async def keeps(self, digest: Digest) -> bool:
        """Return whether the repository has the blob and need not fetch it from anywhere.

        A mount from itself tells; where a registry does not mount, the answer is no.
        """
        return await self.mount(digest, self.name)

    async def push_blob(self, descriptor: Descriptor, source: Body) -> None:
        """Upload a blob; nothing is sent where the registry can't begin an upload.

        Args:
            descriptor: its digest and size.
            source: its bytes, or pieces of them. Pieces that can be iterated anew (a RemoteBlob, a
                class with `__aiter__`) are sent again where the connection breaks; an iterator
                can't be.

        Raises:
            DigestInvalid, SizeInvalid: the registry got other bytes than the descriptor's.
        """
        await uploads.push(self, descriptor, source)

    async def mount(self, digest: Digest, source: RepositoryName) -> bool:
        """Link a blob of another repository of this registry; return whether that was done."""
        return await uploads.mount(self, digest, source)

    async def put_manifest(self, manifest: Manifest, selector: Tag | Digest) -> None:
        """Store the manifest, byte for byte, under its digest or a tag.

        Where the registry does not keep referrers, the fallback tag of the manifest's subject is
        updated (distribution-spec, "Pushing Manifests with Subject").

        Raises:
            ManifestBlobUnknown: the registry lacks content that it names.
            DigestInvalid: the registry stored other bytes.
        """
        ask = Ask(
            "PUT",
            f"{self.path}/manifests/{selector}",
            f"pushing {self._called(selector)}",
            self.scope("pull", "push"),
            {"Content-Type": manifest.media_type},
            manifest.raw,
            missing=errors.NameUnknown,
        )
        async with self.connection.answer(ask) as response:
            stored = response.headers.get("Docker-Content-Digest") or str(manifest.digest)
            kept = "OCI-Subject" in response.headers
        if stored.startswith(manifest.digest.algorithm) and stored != str(manifest.digest):
            raise errors.DigestInvalid(
                f"{self.host} stored {stored:.80} where {manifest.digest} was sent"
            )
        if manifest.subject and not kept:
            await referrers.add_to_fallback(self, manifest.subject.digest, manifest.as_referrer())

    async def delete_manifest(self, selector: Tag | Digest) -> None:
        """Delete the tag, or the manifest with every tag on it.

        Raises:
            ManifestUnknown: there is none.
            Unsupported: the registry does not delete, or (distribution) not by tag.
        """
        await self._delete(f"manifests/{selector}", self._called(selector), errors.ManifestUnknown)

    async def delete_blob(self, digest: Digest) -> None:
        """Delete the blob from this repository; raise BlobUnknown, or Unsupported."""
        await self._delete(f"blobs/{digest}", f"blob {digest.short}", errors.BlobUnknown)

    async def referrers(
        self, digest: Digest, artifact_type: str | None = None
    ) -> tuple[Descriptor, ...]:
        """Return what refers to the manifest `digest` (distribution-spec, "Listing Referrers").

        Where the registry has no such listing the fallback tag is read.
        """
        return (await referrers.find(self, digest, artifact_type)).referrers

    async def _delete(self, tail: str, what: str, missing: type[errors.RegistryError]) -> None:
        ask = Ask(
            "DELETE",
            f"{self.path}/{tail}",
            f"deleting {what}",
            self.scope("delete"),
            missing=missing,
        )
        async with self.connection.answer(ask):
            pass

    def _called(self, selector: Tag | Digest) -> str:
        return f"{self.name}{':' if isinstance(selector, Tag) else '@'}{selector}"

    def _ask(self, method: str, selector: Tag | Digest, allow: frozenset[int] = frozenset()) -> Ask:
        return Ask(
            method,
            f"{self.path}/manifests/{selector}",
            self._called(selector),
            self.scope("pull"),
            _ACCEPT,
            allow=allow,
            missing=errors.ManifestUnknown,
        )

    def _verified(self, raw: bytes, response: Response, selector: Tag | Digest) -> Manifest:
        announced = response.headers.get("Docker-Content-Digest")
        if isinstance(selector, Digest):
            wanted = selector
        elif announced:
            wanted = Digest.parse(announced)
        else:
            wanted = Digest.of(raw, Algorithm.SHA256)
        if Digest.of(raw, wanted.algorithm) != wanted:
            raise errors.DigestInvalid(
                f"{self.host} sent other bytes for {self._called(selector)} than {wanted} is of"
            )
        return Manifest.parse(raw, response.headers.get("Content-Type", ""), wanted.algorithm)

"""Blobs on their way to a registry, or mounted from one of its repositories to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from lreg import errors
from lreg.client.auth import Scope
from lreg.client.connection import Ask
from lreg.client.wire import SourceFailed, joined

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository
    from lreg.client.response import Response
    from lreg.client.wire import Body
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName


async def push(repository: RemoteRepository, descriptor: Descriptor, source: Body) -> None:
    """Upload in one piece: POST, then PUT (distribution-spec, "POST then PUT")."""
    patience = repository.connection.patience
    attempts = 1 if isinstance(source, AsyncIterator) else patience.attempts
    for attempt in range(1, attempts + 1):
        location = await _start(repository)
        try:
            await _send(repository, descriptor, source, location)
        except SourceFailed as failed:
            # A source has patience of its own.
            raise failed.error from failed
        except (errors.TransferBroken, errors.Unavailable):
            if attempt == attempts:
                raise
        else:
            return
        await asyncio.sleep(patience.pause(attempt))


async def _start(repository: RemoteRepository) -> str:
    ask = Ask(
        "POST",
        f"{repository.path}/blobs/uploads/",
        f"an upload to {repository.name}",
        repository.scope("pull", "push"),
        missing=errors.NameUnknown,
    )
    async with repository.connection.answer(ask) as response:
        return _location(response)


def _location(response: Response) -> str:
    if location := response.headers.get("Location"):
        return joined(response.url, location)
    raise errors.Unavailable(f"{response.url} began an upload without saying where")


async def _send(
    repository: RemoteRepository, descriptor: Descriptor, source: Body, location: str
) -> None:
    mark = "&" if "?" in location else "?"
    ask = Ask(
        "PUT",
        f"{location}{mark}digest={descriptor.digest}",
        f"blob {descriptor.digest.short} to {repository.name}",
        repository.scope("pull", "push"),
        {"Content-Type": "application/octet-stream"},
        source,
        descriptor.size,
        missing=errors.UploadUnknown,
    )
    async with repository.connection.answer(ask):
        pass


async def mount(repository: RemoteRepository, digest: Digest, source: RepositoryName) -> bool:
    """Ask for a mount (distribution-spec, "Mounting a blob from another repository")."""
    scope = Scope.of(repository.name, "pull", "push", mount=source)
    ask = Ask(
        "POST",
        f"{repository.path}/blobs/uploads/?mount={digest}&from={quote(source.text, safe='')}",
        f"a mount of {digest.short} from {source}",
        scope,
        missing=errors.NameUnknown,
    )
    async with repository.connection.answer(ask) as response:
        if response.status == 201:
            return True
        location = _location(response)
    # 202: an upload was begun instead. It is not wanted here.
    gone = frozenset(range(400, 600))
    cancel = Ask("DELETE", location, "an upload that is not needed", scope, allow=gone)
    async with repository.connection.answer(cancel):
        return False

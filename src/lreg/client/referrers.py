"""Referrers, and the tags that stand in for them (distribution-spec, "Referrers tag schema")."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from lreg import errors
from lreg.client.answers import next_page
from lreg.client.connection import Ask
from lreg.client.wire import joined
from lreg.oci import mediatypes
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.reference import Tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.client.repository import RemoteRepository
    from lreg.client.response import Response
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest

# "If the registry does not support the referrers API ... 404"; others say what they think of it.
_ABSENT = frozenset({400, 404, 405, 406, 501})
_MOST_PAGES = 100


def fallback_tag(subject: Digest) -> Tag:
    """Return the tag that holds the list of a subject's referrers where no API does."""
    # "limit of 64 characters" (distribution-spec, "Referrers Tag Schema").
    return Tag.parse(f"{subject.algorithm}-{subject.hex[:64]}")


@dataclass(frozen=True, slots=True)
class Found:
    """What refers to a manifest.

    Attributes:
        referrers: a descriptor each.
        is_whole: whether the registry keeps the list; else its clients do, under a tag, and some
            may have left theirs out.
    """

    referrers: tuple[Descriptor, ...]
    is_whole: bool


async def find(
    repository: RemoteRepository, subject: Digest, artifact_type: str | None = None
) -> Found:
    """Return what refers to `subject`, what is of one type where that is given.

    Raises:
        ContentTooLarge: the list has more than 100 pages, or 4 MiB.
        ManifestInvalid: what came is not a list of referrers.
    """
    found: tuple[Descriptor, ...] = ()
    path: str | None = f"{repository.path}/referrers/{subject}"
    if artifact_type:
        path = f"{path}?artifactType={quote(artifact_type, safe='')}"
    what = f"the referrers of {subject.short}"
    scope = repository.scope("pull")
    allow, size, pages = _ABSENT, 0, 0
    while path:
        ask = Ask("GET", path, what, scope, {"Accept": mediatypes.OCI_INDEX}, allow=allow)
        async with repository.connection.answer(ask) as response:
            kind = mediatypes.essence(response.headers.get("Content-Type", ""))
            # A registry that serves a web page under unknown paths has no such API either.
            if not pages and (response.status in _ABSENT or kind != mediatypes.OCI_INDEX):
                found = await _fallback(repository, subject)
                break
            raw = await response.read(MAX_MANIFEST_SIZE - size)
            found += Manifest.parse(raw, kind).children
            path = _next(response)
        allow, size, pages = frozenset(), size + len(raw), pages + 1
        if pages == _MOST_PAGES and path:
            raise errors.ContentTooLarge(f"{what}: {repository.host} lists them without end")
    # A registry may ignore the filter ("OCI-Filters-Applied" tells).
    chosen = tuple(one for one in found if artifact_type in {None, one.artifact_type})
    return Found(chosen, is_whole=pages > 0)


def _next(response: Response) -> str | None:
    """Return the path of the next page: whatever host its link names, it is this registry's."""
    if (link := next_page(response.headers)) is None:
        return None
    parts = urlsplit(joined(response.url, link))
    return f"{parts.path}?{parts.query}"


async def _fallback(repository: RemoteRepository, subject: Digest) -> tuple[Descriptor, ...]:
    try:
        manifest = await repository.manifest(fallback_tag(subject))
    except (errors.ManifestUnknown, errors.NameUnknown):
        return ()
    return manifest.children


async def add_to_fallback(
    repository: RemoteRepository, subject: Digest, referrer: Descriptor
) -> None:
    """List `referrer` under the subject's tag, once, keeping what is listed there."""
    known = await _fallback(repository, subject)
    if any(one.digest == referrer.digest for one in known):
        return
    await repository.put_manifest(index_of((*known, referrer)), fallback_tag(subject))


def index_of(descriptors: Iterable[Descriptor]) -> Manifest:
    """Return the OCI index of `descriptors`."""
    fields: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [descriptor.to_json() for descriptor in descriptors],
    }
    return Manifest.parse(json.dumps(fields, separators=(",", ":")).encode())

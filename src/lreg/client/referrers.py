"""Referrers, and the tags that stand in for them (distribution-spec, "Referrers tag schema")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lreg import errors
from lreg.client.answers import next_page
from lreg.client.connection import Ask
from lreg.client.listing import read_object
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.reference import Tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.client.repository import RemoteRepository
    from lreg.oci.digest import Digest


def fallback_tag(subject: Digest) -> Tag:
    """Return the tag that holds the list of a subject's referrers where no API does."""
    # "limit of 64 characters" (distribution-spec, "Referrers Tag Schema").
    return Tag.parse(f"{subject.algorithm}-{subject.hex[:64]}")


async def find(
    repository: RemoteRepository, subject: Digest, artifact_type: str | None
) -> tuple[Descriptor, ...]:
    """Return the descriptors of what refers to `subject`, those of one type where given."""
    found: list[Descriptor] = []
    path: str | None = f"{repository.path}/referrers/{subject}"
    if artifact_type:
        path = f"{path}?artifactType={quote(artifact_type, safe='')}"
    what = f"the referrers of {subject.short}"
    scope = repository.scope("pull")
    # "If the registry does not support the referrers API ... 404" (and older ones: 400, 405).
    absent = frozenset({400, 404, 405})
    while path:
        ask = Ask("GET", path, what, scope, {"Accept": mediatypes.OCI_INDEX}, allow=absent)
        async with repository.connection.answer(ask) as response:
            kind = mediatypes.essence(response.headers.get("Content-Type", ""))
            # A registry that serves a web page under unknown paths has no such API either.
            if response.status in absent or kind != mediatypes.OCI_INDEX:
                found = list(await _fallback(repository, subject))
                break
            fields = await read_object(response, what, MAX_MANIFEST_SIZE)
            found += map(Descriptor.from_json, fields.get("manifests") or ())
            path = next_page(response.headers)
    # A registry may ignore the filter ("OCI-Filters-Applied" tells).
    return tuple(one for one in found if artifact_type in {None, one.artifact_type})


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

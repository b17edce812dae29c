"""Pulling, pushing and deleting manifests and tags; referrers (spec, same headings)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lreg.errors import DigestInvalid
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.mediatypes import OCI_INDEX
from lreg.oci.reference import Tag
from lreg.registry import responses
from lreg.registry.http.messages import Response

if TYPE_CHECKING:
    from lreg.registry.http.messages import Request
    from lreg.registry.routes import DeleteManifest, ListReferrers, PutManifest, ReadManifest
    from lreg.store.protocol import Repositories

# Parsing a larger manifest would keep the event loop for milliseconds.
_PARSE_IN_THREAD = 256 << 10


async def read_manifest(store: Repositories, call: ReadManifest, request: Request) -> Response:
    """Serve one manifest, as it was pushed; spec, "Pulling manifests"."""
    manifest = await store.repository(call.name).manifest(call.want)
    return responses.content(request, manifest, immutable=isinstance(call.want, Digest))


async def put_manifest(store: Repositories, call: PutManifest, request: Request) -> Response:
    """Take a manifest under a tag, or under its digest and any tags; spec, "Pushing Manifests"."""
    tags = [Tag.parse(tag) for tag in request.parameters().get("tag", ())]
    algorithm = Algorithm.SHA256
    if isinstance(call.want, Tag):
        tags.append(call.want)
    else:
        algorithm = call.want.algorithm
    raw = await request.body.read(MAX_MANIFEST_SIZE)
    manifest = await _parse(raw, request.headers.get("content-type", ""), algorithm)
    if isinstance(call.want, Digest) and manifest.digest != call.want:
        raise DigestInvalid(f"the manifest's digest is {manifest.digest}, not {call.want}")
    await store.repository(call.name).put_manifest(manifest, tags)
    headers = {
        "Location": f"/v2/{call.name}/manifests/{call.want}",
        "Docker-Content-Digest": str(manifest.digest),
    }
    if tags and isinstance(call.want, Digest):
        headers["OCI-Tag"] = ", ".join(map(str, tags))
    if manifest.subject:
        headers["OCI-Subject"] = str(manifest.subject.digest)
    return Response(201, headers)


async def delete_manifest(store: Repositories, call: DeleteManifest, request: Request) -> Response:
    """Forget a tag, or a manifest and its tags; spec, "Deleting tags", "Deleting Manifests"."""
    await store.repository(call.name).delete_manifest(call.want)
    return Response(202)


async def list_referrers(store: Repositories, call: ListReferrers, request: Request) -> Response:
    """List what refers to a manifest, pushed already or not; spec, "Listing Referrers"."""
    found = await store.repository(call.name).referrers(call.subject)
    items, headers = found.items, responses.staleness(found)
    if wanted := request.parameters().get("artifactType"):
        items = [referrer for referrer in items if referrer.artifact_type in wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [referrer.to_json() for referrer in items],
    }
    response = responses.json_body(index, headers, content_type=OCI_INDEX)
    return responses.sourced(response, found)


async def _parse(raw: bytes, content_type: str, algorithm: Algorithm) -> Manifest:
    if len(raw) < _PARSE_IN_THREAD:
        return Manifest.parse(raw, content_type, algorithm)
    return await asyncio.to_thread(Manifest.parse, raw, content_type, algorithm)

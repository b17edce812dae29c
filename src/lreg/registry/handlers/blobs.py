"""Pulling, pushing, mounting and deleting blobs (spec, "Pulling blobs", "Pushing blobs")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import DigestInvalid
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.ranges import parse_chunk
from lreg.oci.reference import RepositoryName
from lreg.registry import responses
from lreg.registry.http.messages import Response

if TYPE_CHECKING:
    from lreg.registry.http.messages import Request
    from lreg.registry.routes import (
        AppendUpload,
        CancelUpload,
        DeleteBlob,
        FinishUpload,
        ReadBlob,
        ReadUpload,
        StartUpload,
    )
    from lreg.store.protocol import Repositories, Repository, Upload


async def read_blob(store: Repositories, call: ReadBlob, request: Request) -> Response:
    """Serve one blob; spec, "Pulling blobs"."""
    repository = store.repository(call.name)
    look = repository.peek if request.method == "HEAD" else repository.blob
    blob = await look(call.digest)
    return responses.content(request, blob, immutable=True)


async def delete_blob(store: Repositories, call: DeleteBlob, request: Request) -> Response:
    """Forget a blob in one repository; spec, "Deleting Blobs"."""
    await store.repository(call.name).delete_blob(call.digest)
    return Response(202)


async def start_upload(store: Repositories, call: StartUpload, request: Request) -> Response:
    """Begin an upload, take a whole blob, or mount one; spec, "Pushing blobs"."""
    repository = store.repository(call.name)
    parameters = request.parameters()
    if mount := parameters.get("mount"):
        digest = Digest.parse(mount[0])
        origin = parameters.get("from")
        source = RepositoryName.parse(origin[0]) if origin else None
        if await repository.mount(digest, source):
            return _created(repository, digest)
    if whole := parameters.get("digest"):
        digest = Digest.parse(whole[0])
        upload = await repository.start_upload(digest.algorithm)
        return await _finish(repository, upload, digest, request)
    algorithm = Algorithm.parse(parameters.get("digest-algorithm", ["sha256"])[0])
    return _progress(repository, await repository.start_upload(algorithm), 202)


async def read_upload(store: Repositories, call: ReadUpload, request: Request) -> Response:
    """Tell where an upload stands; spec, "Pushing a blob in chunks", the status after a 416."""
    repository = store.repository(call.name)
    return _progress(repository, repository.upload(call.upload), 204)


async def append_upload(store: Repositories, call: AppendUpload, request: Request) -> Response:
    """Take a chunk, or a stream without a range; spec, "Pushing a blob in chunks"."""
    repository = store.repository(call.name)
    upload = repository.upload(call.upload)
    await _append(upload, request)
    return _progress(repository, upload, 202)


async def finish_upload(store: Repositories, call: FinishUpload, request: Request) -> Response:
    """Take the rest and end the upload; spec, "Pushing a blob in chunks", closing the session."""
    repository = store.repository(call.name)
    upload = repository.upload(call.upload)
    if not (named := request.parameters().get("digest")):
        raise DigestInvalid("an upload is finished with ?digest= of the whole blob")
    return await _finish(repository, upload, Digest.parse(named[0]), request)


async def cancel_upload(store: Repositories, call: CancelUpload, request: Request) -> Response:
    """Forget an upload; spec, "Cancel a blob upload"."""
    await store.repository(call.name).upload(call.upload).cancel()
    return Response(204)


async def _append(upload: Upload, request: Request) -> None:
    body = request.body
    if header := request.headers.get("content-range"):
        chunk = parse_chunk(header)
        await upload.append(body, at=chunk.start, size=len(chunk))
    else:
        await upload.append(body, size=body.length)


async def _finish(
    repository: Repository, upload: Upload, digest: Digest, request: Request
) -> Response:
    if request.body.length != 0:
        await _append(upload, request)
    await upload.commit(digest)
    return _created(repository, digest)


def _created(repository: Repository, digest: Digest) -> Response:
    location = f"/v2/{repository.name}/blobs/{digest}"
    return Response(201, {"Location": location, "Docker-Content-Digest": str(digest)})


def _progress(repository: Repository, upload: Upload, status: int) -> Response:
    headers = {
        "Location": f"/v2/{repository.name}/blobs/uploads/{upload.id}",
        # The end is inclusive, so that nothing and one byte look the same; all registries do so.
        "Range": f"0-{max(0, upload.offset - 1)}",
        "Docker-Upload-UUID": upload.id,
    }
    return Response(status, headers)

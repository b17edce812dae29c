"""The registry as one function from a request to a response."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST

from lreg.errors import RegistryError, StoreFailed, TransferBroken, Unsupported
from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName
from lreg.registry import admin, responses, routes
from lreg.registry.canaries import Canaries
from lreg.registry.handlers import blobs, listings, manifests
from lreg.registry.http.messages import Response
from lreg.registry.routes import ReadBlob, ReadManifest, route
from lreg.upstream.names import namespace_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from lreg.registry.admin.routes import AdminCall
    from lreg.registry.auth import Policy
    from lreg.registry.http.messages import Request
    from lreg.registry.pulls import Pulls
    from lreg.registry.records import Records
    from lreg.registry.routes import Call
    from lreg.store.protocol import Repositories
    from lreg.upstream.mirror import Mirror

log = logging.getLogger(__name__)

_HANDLERS: dict[type, Callable[[Repositories, Any, Request], Awaitable[Response]]] = {
    routes.ReadBlob: blobs.read_blob,
    routes.DeleteBlob: blobs.delete_blob,
    routes.StartUpload: blobs.start_upload,
    routes.ReadUpload: blobs.read_upload,
    routes.AppendUpload: blobs.append_upload,
    routes.FinishUpload: blobs.finish_upload,
    routes.CancelUpload: blobs.cancel_upload,
    routes.ReadManifest: manifests.read_manifest,
    routes.PutManifest: manifests.put_manifest,
    routes.DeleteManifest: manifests.delete_manifest,
    routes.ListReferrers: manifests.list_referrers,
    routes.ListRepositories: listings.list_repositories,
    routes.ListTags: listings.list_tags,
}
_READS = (ReadManifest, ReadBlob)
_DELETES = (routes.DeleteBlob, routes.DeleteManifest)
# The client closed the connection: nobody sees this status but the log (nginx's number for it).
_CLIENT_LEFT = 499


class Registry:
    """Answers requests from a store, and from the internet behind it."""

    def __init__(
        self, mirror: Mirror, policy: Policy, records: Records, pulls: Pulls, *, allow_delete: bool
    ) -> None:
        """Serve `mirror` to whom `policy` allows, noting everything in `records` and `pulls`."""
        self._mirror = mirror
        self._policy = policy
        self._records = records
        self._pulls = pulls
        self._canaries = Canaries(mirror)
        self._known = admin.Known(mirror, pulls, self._canaries)
        self._allow_delete = allow_delete

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response, at once where what is asked for lies in memory."""
        try:
            if ours := admin.route(request.method, request.path):
                return _told(self._administer(ours, request), request)
            call = self._canonical(route(request.method, request.path), request)
            if response := self._at_once(call, request):
                return response
        except RegistryError as problem:
            return responses.error(problem)
        except OSError as problem:
            return _store_failed(problem, request)
        return self._answer(call, request)

    def finished(self, request: Request, response: Response, sent: int) -> None:
        """Note that a response is over."""
        if upstream := response.fields.get("upstream"):
            self._mirror.figures.served[str(upstream)] += sent
        self._records.note(_call_name(request), request, response, sent)

    def _canonical(self, call: Call, request: Request) -> Call:
        """Return the call with the canonical name of the repository that it means."""
        if not isinstance(call, routes.NAMED):
            return call
        name = self._mirror.canonical(
            call.name, request.query, request.headers, request.server_name
        )
        if self._canaries.nonce(name):
            self._canaries.note(request, call.name, name)
        return call if name is call.name else replace(call, name=name)

    def _at_once(self, call: Call, request: Request) -> Response | None:
        if not isinstance(call, _READS) or self._mirror.is_private(call.name):
            return None
        repository = self._served(call).repository(call.name)
        if isinstance(call, ReadManifest):
            held, immutable = repository.held(call.want), isinstance(call.want, Digest)
        else:
            held, immutable = repository.held_blob(call.digest), True
        if held is None:
            return None
        response = responses.content(request, held, immutable=immutable)
        if isinstance(call, ReadManifest):
            self._note_pull(call, request, response, held.digest)
        return self._marked(call, request, response)

    async def _answer(self, call: Call, request: Request) -> Response:
        return self._marked(call, request, await _told(self._handled(call, request), request))

    async def _handled(self, call: Call, request: Request) -> Response:
        if not (handler := _HANDLERS.get(type(call))):
            return await self._own(call, request)
        await self._allow(call, request)
        response = await handler(await self._seen(call, request), call, request)
        if isinstance(call, ReadManifest):
            digest = Digest.parse(response.headers["Docker-Content-Digest"])
            self._note_pull(call, request, response, digest)
        return response

    async def _administer(self, call: AdminCall, request: Request) -> Response:
        if not call.is_open:
            await self._policy.require_writer(request)
        return await admin.answer(self._known, call, request)

    def _marked(self, call: Call, request: Request, response: Response) -> Response:
        """Say in a response whose namespace it is of."""
        if not isinstance(call, routes.NAMED):
            return response
        if upstream := self._mirror.upstream_of(_repository(call.name, response)):
            response.fields["upstream"] = upstream.host
            # distribution-spec, "Registry Proxying": who asks by ns is told that it counts.
            if namespace_of(request.query):
                response.headers["OCI-Namespace"] = upstream.host
        return response

    async def _allow(self, call: Call, request: Request) -> None:
        """Raise unless this call is allowed to whoever sends it."""
        if isinstance(call, routes.WRITES):
            await self._policy.require_writer(request, f"repository:{call.name}:pull,push,delete")
        elif isinstance(call, routes.NAMED) and self._mirror.is_private(call.name):
            await self._policy.require_writer(request, f"repository:{call.name}:pull")
        if isinstance(call, _DELETES) and not self._allow_delete:
            raise Unsupported("deleting is switched off here: see the setting `delete`")

    async def _seen(self, call: Call, request: Request) -> Repositories:
        """Return what whoever sends this call may know of."""
        if not self._mirror.has_private or not isinstance(call, routes.ListRepositories):
            return self._served(call)
        knows_all = await self._policy.is_writer(request, "registry:catalog:*")
        return self._mirror if knows_all else listings.Public(self._mirror)

    def _served(self, call: Call) -> Repositories:
        """Return where the repository lies that a call names."""
        is_canary = isinstance(call, routes.NAMED) and self._canaries.nonce(call.name)
        return self._canaries if is_canary else self._mirror

    def _note_pull(
        self, call: ReadManifest, request: Request, response: Response, digest: Digest
    ) -> None:
        if not self._canaries.nonce(call.name):
            self._pulls.note(request, _repository(call.name, response), call.want, digest)

    async def _own(self, call: Call, request: Request) -> Response:
        """Answer what is about the registry itself."""
        match call:
            case routes.ReadToken():
                return responses.json_body(await self._policy.token(request))
            case routes.ReadMetrics():
                text = self._records.text()
                return Response(200, {"Content-Type": CONTENT_TYPE_LATEST}, (text,))
            case routes.Ping():
                await self._policy.greet(request)
        return responses.json_body({})


async def _told(answer: Awaitable[Response], request: Request) -> Response:
    """Return the answer, or what is told to the client where there is an error instead."""
    try:
        return await answer
    except RegistryError as problem:
        return responses.error(problem)
    except TransferBroken as problem:
        return Response(_CLIENT_LEFT, fields={"broken": str(problem)})
    except OSError as problem:
        return _store_failed(problem, request)


def _store_failed(problem: OSError, request: Request) -> Response:
    extra = {"method": request.method, "path": request.path, "error": str(problem)}
    log.error("store.failed", extra=extra)
    why = problem.strerror or type(problem).__name__
    return responses.error(
        StoreFailed(f"the registry can't use its store ({why}): its log says more; try again")
    )


def _repository(asked: RepositoryName, response: Response) -> RepositoryName:
    """Return the repository that a response is of: a plain name may mean upstream's."""
    of = response.fields.get("repository")
    return of if isinstance(of, RepositoryName) else asked


def _call_name(request: Request) -> str:
    """Return the kind of a request, for the metrics."""
    try:
        method, path = request.method, request.path
        return type(admin.route(method, path) or route(method, path)).__name__
    except RegistryError:
        return "Invalid"

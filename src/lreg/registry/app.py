"""The registry as one function from a request to a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST

from lreg.errors import RegistryError, TransferBroken, Unsupported
from lreg.oci.digest import Digest
from lreg.registry import responses, routes
from lreg.registry.handlers import blobs, listings, manifests
from lreg.registry.http.messages import Response
from lreg.registry.routes import ReadBlob, ReadManifest, route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from lreg.registry.auth import Policy
    from lreg.registry.http.messages import Request
    from lreg.registry.records import Records
    from lreg.registry.routes import Call
    from lreg.store.protocol import Store

_HANDLERS: dict[type, Callable[[Store, Any, Request], Awaitable[Response]]] = {
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
_DELETES = (routes.DeleteBlob, routes.DeleteManifest)
# The client closed the connection: nobody sees this status but the log (nginx's number for it).
_CLIENT_LEFT = 499


class Registry:
    """Answers requests from a store."""

    def __init__(
        self, store: Store, policy: Policy, records: Records, *, allow_delete: bool
    ) -> None:
        """Serve `store` to whom `policy` allows, noting everything in `records`."""
        self._store = store
        self._policy = policy
        self._records = records
        self._allow_delete = allow_delete

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response, at once where what is asked for lies in memory."""
        try:
            call = route(request.method, request.path)
            if response := self._at_once(call, request):
                return response
        except RegistryError as problem:
            return responses.error(problem)
        return self._answer(call, request)

    def finished(self, request: Request, response: Response, sent: int) -> None:
        """Note that a response is over."""
        self._records.note(_call_name(request), request, response, sent)

    def _at_once(self, call: Call, request: Request) -> Response | None:
        match call:
            case ReadManifest(name, want):
                held, immutable = self._store.repository(name).held(want), isinstance(want, Digest)
            case ReadBlob(name, digest):
                held, immutable = self._store.repository(name).held_blob(digest), True
            case _:
                return None
        return responses.content(request, held, immutable=immutable) if held else None

    async def _answer(self, call: Call, request: Request) -> Response:
        try:
            if handler := _HANDLERS.get(type(call)):
                await self._allow(call, request)
                return await handler(self._store, call, request)
            return await self._own(call, request)
        except RegistryError as problem:
            return responses.error(problem)
        except TransferBroken as problem:
            return Response(_CLIENT_LEFT, fields={"broken": str(problem)})

    async def _allow(self, call: Call, request: Request) -> None:
        """Raise unless this call is allowed to whoever sends it."""
        if isinstance(call, routes.WRITES):
            await self._policy.require_writer(request, f"repository:{call.name}:pull,push,delete")
        if isinstance(call, _DELETES) and not self._allow_delete:
            raise Unsupported("deleting is switched off here: see the setting `delete`")

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


def _call_name(request: Request) -> str:
    """Return the kind of a request, for the metrics."""
    try:
        return type(route(request.method, request.path)).__name__
    except RegistryError:
        return "Invalid"

"""Bodies of the admin API: read, written at once, or told while the work is done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.admin.codec import decode, encode
from lreg.errors import BadRequest
from lreg.registry import responses
from lreg.registry.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from msgspec import Struct

    from lreg.registry.http.messages import Request

T = TypeVar("T")

_MAX_BODY = 4 << 20
# A client that hears nothing for this many seconds may think that nobody is there any more.
PULSE = 5.0
JSON_LINES = "application/x-ndjson"
_FRESH = {"Cache-Control": "no-store"}


async def read(request: Request, kind: type[T]) -> T:
    """Return the value of that kind in the request's body; raise BadRequest."""
    raw = await request.body.read(_MAX_BODY)
    try:
        return decode(kind, raw)
    except ValueError as error:
        raise BadRequest(f"the body is no JSON object of this call: {error}") from None


def write(value: Struct) -> Response:
    """Return the response that says `value`."""
    return Response(200, {"Content-Type": responses.JSON, **_FRESH}, (encode(value),))


def later(work: Callable[[], Coroutine[Any, Any, Struct]]) -> Response:
    """Return the response that says what `work` returns, once that is known.

    The head goes out at once, so `work` may raise nothing that the client should hear of.
    """
    return streamed(_waited(work), responses.JSON)


def streamed(pieces: AsyncGenerator[bytes, None], content_type: str = JSON_LINES) -> Response:
    """Return the response whose body is made as it goes out."""
    return Response(200, {"Content-Type": content_type, **_FRESH}, (pieces,))


def line(value: Struct) -> bytes:
    """Return `value` as one line of JSON."""
    return encode(value) + b"\n"


async def _waited(work: Callable[[], Coroutine[Any, Any, Struct]]) -> AsyncGenerator[bytes, None]:
    task = asyncio.ensure_future(work())
    try:
        while not (await asyncio.wait({task}, timeout=PULSE))[0]:
            yield b"\n"
        yield line(task.result())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""Bodies of the admin API: read, written at once, or told while the work is done."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.admin.codec import from_json, to_json
from lreg.errors import BadRequest
from lreg.registry import responses
from lreg.registry.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

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
        return from_json(kind, json.loads(raw, parse_constant=_no_number))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON object of this call: {error}") from None


def _no_number(text: str) -> None:
    # Python reads them, RFC 8259 does not know them.
    raise ValueError(f"{text} is no number")


def write(value: object) -> Response:
    """Return the response that says `value`."""
    return responses.json_body(to_json(value), _FRESH)


def later(work: Callable[[], Coroutine[Any, Any, object]]) -> Response:
    """Return the response that says what `work` returns, once that is known.

    The head goes out at once, so `work` may raise nothing that the client should hear of.
    """
    return streamed(_waited(work), responses.JSON)


def streamed(pieces: AsyncGenerator[bytes, None], content_type: str = JSON_LINES) -> Response:
    """Return the response whose body is made as it goes out."""
    return Response(200, {"Content-Type": content_type, **_FRESH}, (pieces,))


def line(value: object) -> bytes:
    """Return `value` as one line of JSON."""
    return json.dumps(to_json(value), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


async def _waited(work: Callable[[], Coroutine[Any, Any, object]]) -> AsyncGenerator[bytes, None]:
    task = asyncio.ensure_future(work())
    try:
        while not (await asyncio.wait({task}, timeout=PULSE))[0]:
            yield b"\n"
        yield line(task.result())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

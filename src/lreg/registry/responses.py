"""Responses: content with its conditions and ranges, listings, errors."""

from __future__ import annotations

import json
import os
import secrets
from functools import partial
from typing import TYPE_CHECKING

from lreg.oci.ranges import parse_range
from lreg.registry.http.messages import FileSlice, Response
from lreg.store.protocol import Described, Filed, Growing, Held, Origin, ReferrersList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.errors import RegistryError
    from lreg.oci.ranges import ByteRange
    from lreg.registry.http.messages import Request, Segment
    from lreg.store.protocol import Content, Readable

JSON = "application/json"
# What a digest names never changes; what a tag names may at any time.
_FOREVER, _ASK_AGAIN = "max-age=31536000, immutable", "no-cache"


def content(request: Request, found: Content, *, immutable: bool) -> Response:
    """Return a manifest or a blob: whole, in part, or not at all where the client has it.

    Args:
        request: its conditions and ranges are honoured (RFC 9110, 13 and 14).
        found: the content; its file is closed when the response is over.
        immutable: whether the request named it by its digest.
    """
    etag = f'"{found.digest}"'
    headers = {
        "Content-Type": found.media_type,
        "Docker-Content-Digest": str(found.digest),
        "ETag": etag,
        "Cache-Control": _FOREVER if immutable else _ASK_AGAIN,
        "Accept-Ranges": "bytes",
        **staleness(found),
    }
    asked = request.headers
    if "if-none-match" in asked and _names(asked["if-none-match"], etag):
        del headers["Content-Type"], headers["Accept-Ranges"]
        response = Response(304, headers)
    elif isinstance(found, Described):
        response = Response(200, headers, size=found.size)
    elif "range" in asked and request.method == "GET" and asked.get("if-range", etag) == etag:
        response = _ranged(asked["range"], found, headers)
    else:
        response = Response(200, headers, (_segment(found, 0, found.size),))
    if isinstance(found, Filed | Growing):
        response.release = partial(os.close, found.fd)
    return sourced(response, found)


def sourced(response: Response, found: Content | ReferrersList) -> Response:
    """Return a response, with what the log and the metrics say of where its content is from."""
    if found.origin is not Origin.HERE:
        response.fields["origin"] = found.origin.value
    if found.of:
        response.fields["repository"] = found.of
    return response


def staleness(found: Content | ReferrersList) -> dict[str, str]:
    """Return the headers that mark what upstream could not be asked about (RFC 9111, 5.1, 5.5)."""
    if not isinstance(found, Held | ReferrersList) or found.origin is not Origin.STALE:
        return {}
    age = {} if found.age is None else {"Age": str(int(found.age))}
    return age | {"Warning": '110 lreg "Response is Stale"'}


def _names(condition: str, etag: str) -> bool:
    """Return whether If-None-Match names this content (RFC 9110, 13.1.2: compared weakly)."""
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return condition.strip() == "*" or etag in tags


def _segment(found: Readable, start: int, stop: int) -> Segment:
    if isinstance(found, Held):
        return found.data[start:stop]
    reach = found.reach if isinstance(found, Growing) else None
    return FileSlice(found.fd, start, stop - start, reach)


def _ranged(header: str, found: Readable, headers: dict[str, str]) -> Response:
    try:
        ranges = parse_range(header, found.size)
    except Exception:
        if not isinstance(found, Held):
            os.close(found.fd)
        raise
    if ranges is None:
        return Response(200, headers, (_segment(found, 0, found.size),))
    if len(ranges) == 1:
        headers["Content-Range"] = ranges[0].content_range(found.size)
        return Response(206, headers, (_segment(found, ranges[0].start, ranges[0].stop),))
    return _multipart(ranges, found, headers)


def _multipart(ranges: list[ByteRange], found: Readable, headers: dict[str, str]) -> Response:
    """Return several parts in one body (RFC 9110, 14.6)."""
    boundary = secrets.token_hex(16)
    body: list[Segment] = []
    for part in ranges:
        lines = (
            f"\r\n--{boundary}",
            f"Content-Type: {found.media_type}",
            f"Content-Range: {part.content_range(found.size)}",
            "\r\n",
        )
        body += ["\r\n".join(lines).encode(), _segment(found, part.start, part.stop)]
    body.append(f"\r\n--{boundary}--\r\n".encode())
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    return Response(206, headers, tuple(body))


def json_body(
    value: object, headers: Mapping[str, str] | None = None, *, content_type: str = JSON
) -> Response:
    """Return `value` as a JSON document."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(200, {"Content-Type": content_type, **(headers or {})}, (text,))


def error(problem: RegistryError) -> Response:
    """Return the spec's JSON error ("Error Codes")."""
    entry = {"code": problem.code, "message": str(problem)}
    if problem.detail is not None:
        entry["detail"] = problem.detail  # type: ignore[assignment]
    text = json.dumps({"errors": [entry]}).encode()
    headers = {"Content-Type": JSON, **problem.headers}
    return Response(problem.status, headers, (text,), fields={"error": str(problem)})

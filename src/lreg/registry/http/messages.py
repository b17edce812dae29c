"""What a request asks and what a response says: values between the connection and the handlers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.registry.http.body import Body


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection came in.

    Attributes:
        url: the listener's own URL, such as `http://127.0.0.1:5000`.
        tls: whether the connection is encrypted.
        trusted: whether who can connect here is on this machine anyway (loopback, unix socket).
    """

    url: str
    tls: bool
    trusted: bool


@dataclass(slots=True)
class Request:
    """One request; the body is still on its way.

    Attributes:
        method: as sent.
        path: the target's path, percent-decoded, before any `?`.
        query: the target's query, as sent.
        headers: by lower-case name; lines of one name joined with ", " (RFC 9110, 5.3).
        body: empty where the request has none.
        peer: the client's address, for the log.
        endpoint: where it came in.
        started: when its head was complete, in seconds of the loop's clock.
        takes_chunks: whether the answer may come in chunks, which HTTP/1.0 does not know.
        server_name: what the client called the server in TLS (RFC 6066, 3); "" where it did not.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Body
    peer: str
    endpoint: Endpoint
    started: float
    takes_chunks: bool = True
    server_name: str = ""

    def parameters(self) -> dict[str, list[str]]:
        """Return the query's parameters by name, decoded, in order."""
        found: dict[str, list[str]] = {}
        for pair in filter(None, self.query.split("&")):
            name, _, value = pair.partition("=")
            # A '+' stands for itself here: people forget to escape the one in a media type,
            # and no value of this API holds a space.
            found.setdefault(unquote(name), []).append(unquote(value))
        return found


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes `offset` to `offset + size` of an open file.

    Attributes:
        reach: of a file that still grows: waits until there are bytes beyond an offset and returns
            how far they reach, or raises TransferBroken where they never will; None: all are there.
    """

    fd: int
    offset: int
    size: int
    reach: Callable[[int], Awaitable[int]] | None = None


# A generator's pieces go out as they come, in chunks (RFC 9112, 7.1): its length is not known.
# A client that knows no chunks gets the pieces alone, and the connection's end for theirs.
Segment = bytes | FileSlice | AsyncGenerator[bytes, None]


@dataclass(slots=True)
class Response:
    """A status, headers and a body in segments.

    Attributes:
        status: the HTTP status.
        headers: as they go out; Content-Length and Date are added.
        body: the segments, sent in order; a generator stands alone.
        size: Content-Length where it is not that of the body: a HEAD has no body to count.
        release: called once when the body is sent or given up.
        fields: what else the log line of this request says.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: tuple[Segment, ...] = ()
    size: int | None = None
    release: Callable[[], None] | None = None
    fields: dict[str, object] = field(default_factory=dict)

    @property
    def in_memory(self) -> bool:
        """Whether all of it is here, and nothing has to be released."""
        return self.release is None and all(isinstance(part, bytes) for part in self.body)

    @property
    def length(self) -> int | None:
        """The body's length in bytes, or what it would be for a HEAD; None: nobody knows yet."""
        if self.size is not None:
            return self.size
        total = 0
        for part in self.body:
            if isinstance(part, AsyncGenerator):
                return None
            total += len(part) if isinstance(part, bytes) else part.size
        return total


class Application(Protocol):
    """What answers the requests of a connection."""

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response, at once where that needs no waiting."""

    def finished(self, request: Request, response: Response, sent: int) -> None:
        """Note that a response is over, `sent` bytes of its body having gone out."""


# Built once: the enum's look-up costs more than the whole line.
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = frozenset({204, 304})


def encode_head(response: Response, date: str, *, close: bool, chunks: bool = True) -> bytes:
    """Return the status line and headers as they go over the wire (RFC 9112, 4 and 5)."""
    status = response.status
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}", f"Date: {date}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if status not in _BODILESS:
        length = response.length
        if length is not None:
            lines.append(f"Content-Length: {length}")
        elif chunks:
            lines.append("Transfer-Encoding: chunked")
    if close:
        lines.append("Connection: close")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")

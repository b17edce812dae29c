"""HTTP/1.1 requests, as bytes: pure functions and one decoder, no I/O (RFC 9112).

It is strict where leniency has let requests be smuggled past proxies: no bare CR or LF, no
white space before a colon, no folded lines, no second Content-Length, never Content-Length
beside Transfer-Encoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lreg.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEAD = 64 << 10
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 9112, 3: method SP request-target SP HTTP-version.
_REQUEST_LINE = re.compile(rf"({_NAME}) ([!-~]+) HTTP/1\.([01])")
# RFC 9110, 5.5: visible characters, blanks and obs-text.
_FIELD = re.compile(rf"({_NAME}):([\t -~\x80-\xff]*)")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_LENGTH = re.compile(r"\d{1,18}")
_SINGLE = frozenset({"host", "content-length", "transfer-encoding", "authorization", "range"})
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
_MAX_CHUNK_LINE = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """A request's line and headers.

    Attributes:
        method: as sent.
        path: percent-decoded; `query` is as sent.
        query: what stands behind the `?`.
        headers: by lower-case name.
        keep_alive: whether the connection may carry another request (RFC 9112, 9.3).
        takes_chunks: whether the answer may come in chunks, which HTTP/1.0 does not know.
        length: the body's length in bytes, None where it comes in chunks.
        expects_continue: whether the client waits for `100 Continue` (RFC 9110, 10.1.1).
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep_alive: bool
    takes_chunks: bool
    length: int | None
    expects_continue: bool


def parse_head(data: bytes | bytearray) -> Head:
    """Return the head in `data`, which ends before the empty line.

    Raises:
        BadRequest: it is not a request that a strict server takes.
    """
    line, *fields = data.decode("latin-1").split("\r\n")
    if not (match := _REQUEST_LINE.fullmatch(line)):
        raise BadRequest("the request line is not well-formed HTTP/1.1")
    method, target, minor = match.groups()
    headers = _headers(fields)
    if minor == "1" and "host" not in headers:
        raise BadRequest("an HTTP/1.1 request needs a Host header (RFC 9112, 3.2)")
    if target[0] != "/":
        target = _ABSOLUTE.sub("", target, count=1) or "/"
    path, _, query = target.partition("?")
    options = headers.get("connection", "").lower()
    return Head(
        method,
        unquote(path) if "%" in path else path,
        query,
        headers,
        minor == "1" and "close" not in options,
        minor == "1",
        _body_length(headers, minor),
        minor == "1" and headers.get("expect", "").lower() == "100-continue",
    )


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        if not (match := _FIELD.fullmatch(line)):
            raise BadRequest(f"{line[:100]!r} is not a well-formed header (RFC 9112, 5)")
        name, value = match[1].lower(), match[2].strip(" \t")
        if name in headers:
            if name in _SINGLE:
                raise BadRequest(f"the header {name} may be sent once only")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _body_length(headers: dict[str, str], minor: str) -> int | None:
    """Return how the body ends (RFC 9112, 6.3): a length, or None for chunks."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is None:
        if length is None:
            return 0
        if not _LENGTH.fullmatch(length):
            raise BadRequest(f"{length[:40]!r} is not a Content-Length")
        return int(length)
    if length is not None or minor == "0" or coding.lower() != "chunked":
        raise BadRequest("the body's framing is ambiguous: send Content-Length or chunks")
    return None


class ChunkedDecoder:
    """Takes a chunked body apart, whatever pieces it arrives in (RFC 9112, 7.1).

    Attributes:
        finished: whether the last chunk and the trailers have been seen.
        unused: how many bytes at the end of what was fed last lie behind the body.
    """

    def __init__(self) -> None:
        self.finished = False
        self.unused = 0
        self._left = self._trailers = 0
        self._line = bytearray()
        self._expect = self._size_line

    def feed(self, data: memoryview) -> Iterator[memoryview]:
        """Yield the parts of `data` that are content; `unused` tells what lies behind the body.

        Raises:
            BadRequest: this is not a chunked body.
        """
        position = 0
        while position < len(data) and not self.finished:
            if self._left:
                part = data[position : position + self._left]
                self._left -= len(part)
                position += len(part)
                yield part
                if not self._left:
                    self._expect = self._chunk_end
            else:
                position = self._take_line(data, position)
        self.unused = len(data) - position

    def _take_line(self, data: memoryview, position: int) -> int:
        """Gather a line, up to its LF, and act on it; return where the next byte is."""
        window = bytes(data[position : position + _MAX_CHUNK_LINE])
        end = window.find(b"\n")
        taken = len(window) if end < 0 else end + 1
        self._line += window[:taken]
        if len(self._line) > _MAX_CHUNK_LINE:
            raise BadRequest("a chunk's line is too long")
        if end >= 0:
            if not self._line.endswith(b"\r\n"):
                raise BadRequest("a chunk's line must end in CR LF")
            line = bytes(self._line[:-2])
            self._line.clear()
            self._expect(line)
        return position + taken

    def _size_line(self, line: bytes) -> None:
        if not (match := _CHUNK_SIZE.fullmatch(line)):
            raise BadRequest(f"{line[:40]!r} is not a chunk's size")
        self._left = int(match[1], 16)
        if not self._left:
            self._expect = self._trailer

    def _chunk_end(self, line: bytes) -> None:
        if line:
            raise BadRequest("a chunk is longer than its size")
        self._expect = self._size_line

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > MAX_HEAD:
            raise BadRequest("the trailers behind a chunked body are too large")
        self.finished = not line

"""Unary gRPC calls over a Unix socket: HTTP/2 (RFC 9113) with the framing of gRPC's protocol."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from lreg.errors import LregError

if TYPE_CHECKING:
    from h2.events import Event

UNIMPLEMENTED = 12
_UNKNOWN, _DEADLINE_EXCEEDED, _UNAVAILABLE = 2, 4, 14
_PREFIX = 5
_NO_HTTP2 = "it speaks no HTTP/2"
# Where a frame says its type, and the type that a server begins with (RFC 9113, 3.4 and 4.1).
_TYPE, _SETTINGS = 3, 4


class CallFailed(LregError):
    """The other end did not do what a gRPC call asked for.

    Attributes:
        status: gRPC's status code.
    """

    def __init__(self, message: str = "", status: int = _UNKNOWN) -> None:
        super().__init__(message)
        self.status = status


def call(path: str, method: str, message: bytes, seconds: float) -> bytes:
    """Return the answer to a unary call.

    Args:
        path: of the Unix socket.
        method: such as `/runtime.v1.ImageService/PullImage`.
        message: the request, encoded.
        seconds: how long it may take.

    Raises:
        CallFailed: nobody answers there, it took too long, or the call failed; says why.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        exchange = _Exchange(sock, time.monotonic() + seconds)
        try:
            sock.settimeout(seconds)
            sock.connect(path)
            exchange.ask(method, message)
            return exchange.answer()
        except TimeoutError:
            raise CallFailed(f"no answer in {seconds:g} seconds", _DEADLINE_EXCEEDED) from None
        except (OSError, ProtocolError) as error:
            reason = getattr(error, "strerror", None) or str(error) or _NO_HTTP2
            raise CallFailed(f"{path}: {reason}", _UNAVAILABLE) from None


class _Exchange:
    """One call on a connection of its own."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._start = b""
        self._body = bytearray()
        self._headers: dict[str, str] = {}

    def ask(self, method: str, message: bytes) -> None:
        self._http.initiate_connection()
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(
            stream,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", method),
                (":authority", "localhost"),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
            ],
        )
        framed = b"\0" + len(message).to_bytes(4, "big") + message
        self._http.send_data(stream, framed, end_stream=True)
        self._send()

    def answer(self) -> bytes:
        while True:
            if (left := self._until - time.monotonic()) <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            if not (data := self._sock.recv(1 << 16)):
                raise CallFailed("it hung up", _UNAVAILABLE)
            self._check_start(data)
            for event in self._http.receive_data(data):
                if self._take(event):
                    return self._message()
            self._send()

    def _send(self) -> None:
        # Who hung up may have said why before.
        with contextlib.suppress(ConnectionError):
            self._sock.sendall(self._http.data_to_send())

    def _check_start(self, data: bytes) -> None:
        """Refuse what can't be a server's first frame; h2 would wait for the rest of it."""
        if len(self._start) <= _TYPE:
            self._start += data[: _TYPE + 1]
            if self._start[_TYPE:] and self._start[_TYPE] != _SETTINGS:
                raise ProtocolError(_NO_HTTP2)

    def _take(self, event: Event) -> bool:
        """Take what came; return whether it was the last."""
        match event:
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self._headers |= {str(name): str(value) for name, value in headers or ()}
            case DataReceived(data=data, flow_controlled_length=length, stream_id=stream):
                self._body += data or b""
                self._http.acknowledge_received_data(length or 0, stream or 0)
            case StreamEnded():
                return True
            case StreamReset(error_code=code) | ConnectionTerminated(error_code=code):
                name = code.name if isinstance(code, ErrorCodes) else code
                raise CallFailed(f"it broke off: {name}", _UNAVAILABLE)
        return False

    def _message(self) -> bytes:
        status = int(self._headers.get("grpc-status", _UNKNOWN))
        if status:
            said = unquote(self._headers.get("grpc-message", "")) or f"status {status}"
            raise CallFailed(said, status)
        return bytes(self._body[_PREFIX:])

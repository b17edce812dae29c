"""TLS for the bench's client, as cheap as it gets: received in large pieces, decrypted in memory.

`ssl.SSLSocket` reads each record of 16 KiB with two system calls, its header and its body, which
makes the client of a single connection the slowest part: every quick server looks alike then.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import socket

_PIECE = 256 * 1024


class SealedSocket:
    """What the loads need of a socket, over TLS; closed by ``with`` or `close`.

    Args:
        plain: a connected socket, which is closed with this one.
        context: whom to trust.
        host: whom the certificate has to name.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._arrived, self._leaving, server_hostname=host)
        self._sealed = memoryview(bytearray(_PIECE))
        while not self._shaken():
            self._receive()

    def _shaken(self) -> bool:
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def _flush(self) -> None:
        if self._leaving.pending:
            self._plain.sendall(self._leaving.read())

    def _receive(self) -> None:
        count = self._plain.recv_into(self._sealed)
        if count:
            self._arrived.write(self._sealed[:count])
        else:
            self._arrived.write_eof()

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Receive into ``buffer`` what there is, waiting for some; 0: no more will come.

        All that has arrived is given where it has room: whoever polls the socket misses nothing.
        """
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            try:
                # typeshed knows only the form without a buffer.
                count = cast("int", self._session.read(len(view) - filled, view[filled:]))
            except ssl.SSLEOFError:
                break
            except ssl.SSLWantReadError:
                if filled:
                    break
                self._receive()
                continue
            if not count:
                break
            filled += count
        return filled

    def recv(self, size: int) -> bytes:
        """Receive at most ``size`` bytes; none: no more will come."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer)])

    def sendall(self, data: bytes) -> None:
        """Send."""
        self._session.write(data)
        self._flush()

    def fileno(self) -> int:
        """Return the descriptor, to poll."""
        return self._plain.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._plain.close()

    def __enter__(self) -> SealedSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

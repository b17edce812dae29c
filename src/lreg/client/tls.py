"""TLS as a client speaks it: whom it trusts, the handshake, sessions that a thread may share.

By Python's ssl, whose OpenSSL knows the system's authorities, and matches names and addresses.
That it decrypts a tenth slower than what `cryptography` brings costs less than doing so ourselves.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from lreg.errors import UsageError
from lreg.tls import TlsLayer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def trusting(ca: Path | None, *, verify: bool) -> ssl.SSLContext:
    """Return what trusts the system's authorities and `ca`; anybody where not `verify`.

    Raises:
        UsageError: `ca` is no PEM file with authorities.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    # Only with renegotiation may a TLS 1.2 write want to read; Go's clients know none either.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise UsageError(f"{ca} is not a readable PEM file: {error}") from error
    return context


class Session:
    """The client's end of TLS on one connection; one thread may read while another seals."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Greet the server called `host`, a name or an address; raise OSError if it can't be."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        except ValueError as error:
            raise ConnectionError(f"{host!r:.80} can't be a name") from error
        # OpenSSL has one state for both directions.
        self._turn = threading.Lock()

    def feed(self, data: bytes | memoryview) -> None:
        """Take what the server sent."""
        with self._turn:
            self._incoming.write(data)

    def shake(self) -> bool:
        """Go on with the handshake; return whether it is done.

        Raises:
            ssl.SSLError: it failed; `unsent` tells the server.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self, room: memoryview) -> int | None:
        """Decrypt some of what came into `room`, which is not empty; return how many bytes.

        0 says that the server says no more, None that what came is no whole record.

        Raises:
            ssl.SSLError: it is no TLS, or not what was sent; `unsent` tells the server.
        """
        with self._turn:
            try:
                return cast("int", self._tls.read(len(room), room))
            except ssl.SSLWantReadError:
                return None

    def seal(self, data: bytes | memoryview) -> bytes:
        """Return `data` encrypted, behind what else is unsent.

        Raises:
            ssl.SSLError: the session has ended.
        """
        rest = memoryview(data)
        with self._turn:
            while rest:
                rest = rest[self._tls.write(rest) :]
            return self._outgoing.read()

    def unsent(self) -> bytes:
        """Return what the session itself has to say to the server."""
        with self._turn:
            return self._outgoing.read()

    def farewell(self) -> bytes:
        """Return what says that nothing more comes."""
        with self._turn:
            with suppress(ssl.SSLError):  # the server's own may never come
                self._tls.unwrap()
            return self._outgoing.read()


class ClientLayer(TlsLayer):
    """The client's end of TLS on one connection that is open already."""

    session: Session

    def __init__(self, session: Session, inner: asyncio.BufferedProtocol) -> None:
        """Encrypt by `session` what `inner` says and hears."""
        super().__init__(inner)
        self.session = session
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._lent = False

    async def open(self, transport: asyncio.Transport, seconds: float) -> None:
        """Shake hands over a transport, whose protocol this is from now on.

        Raises:
            TimeoutError: it took longer than so many seconds.
            ssl.SSLCertVerificationError: the server's certificate is not trusted.
            OSError: it failed otherwise.
        """
        self.connection_made(transport)
        transport.set_protocol(self)
        self._shake()
        async with asyncio.timeout(seconds):
            await self._done

    def eof_received(self) -> bool:
        """Take the connection for broken: a server that means it says farewell first."""
        if self._shaken:
            self._fail(ConnectionResetError("it ended without the farewell of TLS"))
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone, and why."""
        if not self._done.done():
            cut = ConnectionResetError("it was closed in the middle of the handshake")
            self._done.set_exception(self._failure or cut)
        super().connection_lost(error)

    def _refused(self, error: OSError) -> None:
        self._fail(error)

    def _agreed(self) -> None:
        self._done.set_result(None)

    def _flush(self) -> None:
        if not self._lent:
            super()._flush()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Leave all sending to threads: what the session answers goes before what they seal next.

        It is for the time after what they are sending now, as an answer to new keys is.
        """
        self._lent = True
        try:
            yield
        finally:
            self._lent = False

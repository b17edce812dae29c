"""TLS sessions in memory: what the bytes of one connection mean, and what is answered (RFC 8446).

By pyOpenSSL, which is OpenSSL as the `cryptography` package brings it. Python's ssl module has the
distribution's, which before 3.1 does AES at a quarter of the speed, and can't choose among the
ciphers of TLS 1.3 before Python 3.15: OpenSSL begins with AES-256, which costs both ends more.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from OpenSSL import SSL

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

# Alerts (RFC 8446, 6.2), and one as a record, before anything is encrypted (5.1).
INTERNAL_ERROR, UNRECOGNIZED_NAME = 80, 112
_ALERT = b"\x15\x03\x03\x00\x02\x02%c"
_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_CIPHERS = b"@SECLEVEL=2:ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
_HTTP = b"http/1.1"
# SSL_MODE_ENABLE_PARTIAL_WRITE (openssl/ssl.h): without it a write takes all, in many records.
_PARTIAL_WRITE = 1
# A record's plaintext (RFC 8446, 5.1), and more than sealing adds to it.
_RECORD, _OVERHEAD = 16 << 10, 64
_SMALL = 16 << 10


class TlsContext:
    """What sessions begin with: a certificate, or who finds one by what the client's hello says."""

    def __init__(self, choose: Callable[[Session], None] | None = None) -> None:
        """Begin sessions without a certificate.

        Args:
            choose: is to `show` or `refuse` each session; it knows its server name by then.
        """
        self.openssl = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.openssl.set_min_proto_version(SSL.TLS1_2_VERSION)
        self.openssl.set_tls13_ciphersuites(_SUITES)
        self.openssl.set_cipher_list(_CIPHERS)
        # Only with renegotiation may a TLS 1.2 write want to read: nobody needs that here.
        self.openssl.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        self.openssl.clear_mode(_PARTIAL_WRITE)
        self.openssl.set_mode(SSL.MODE_RELEASE_BUFFERS)
        self.openssl.set_alpn_select_callback(
            lambda _, offered: _HTTP if _HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS
        )
        self.openssl.set_tlsext_servername_callback(self._greeted)
        self._choose = choose

    def load(self, cert: Path, key: Path) -> None:
        """Show a certificate, with its chain; both files are PEM.

        Raises:
            ValueError: they can't be used; says why.
        """
        try:
            self.openssl.use_certificate_chain_file(str(cert))
            self.openssl.use_privatekey_file(str(key))
            self.openssl.check_privatekey()
        except SSL.Error as error:
            raise ValueError(_reason(error)) from error

    def session(self, address: str) -> Session:
        """Return a new session, of a client that connected to an address of this machine."""
        return Session(self, address)

    def _greeted(self, openssl: SSL.Connection) -> None:
        session = openssl.get_app_data()
        name = (openssl.get_servername() or b"").decode(errors="backslashreplace")
        session.server_name = _host_name(name)
        if self._choose:
            self._choose(session)


class Session:
    """The server's end of TLS on one connection; one thread at a time may use it.

    Attributes:
        address: the one of the server that the client connected to.
        server_name: what the client calls the server (RFC 6066, 3), in lower case; "": nothing.
        wanted: what has to be waited for before the hello can be answered; the session is lost
            then, and the hello is for another.
    """

    def __init__(self, context: TlsContext, address: str) -> None:
        """Expect a hello."""
        self.address = address
        self.server_name = ""
        self.wanted: asyncio.Task[None] | None = None
        self._alert: int | None = None
        self._openssl = SSL.Connection(context.openssl, None)
        self._openssl.set_accept_state()

    def show(self, context: TlsContext) -> None:
        """Go on with another context's certificate."""
        self._openssl.set_context(context.openssl)

    def refuse(self, alert: int) -> None:
        """End the handshake with an alert."""
        self._alert = alert

    def feed(self, data: bytes | memoryview) -> None:
        """Take what the client sent."""
        self._openssl.bio_write(data)

    def shake(self) -> bool:
        """Go on with the handshake; return whether it is done.

        Raises:
            OSError: it failed; `unsent` tells the client.
        """
        self._openssl.set_app_data(self)
        try:
            self._openssl.do_handshake()
            done = True
        except SSL.WantReadError:
            done = False
        except SSL.Error as error:
            raise ConnectionAbortedError(_reason(error)) from error
        finally:
            self._openssl.set_app_data(None)  # else each would keep the other
        if self._alert is not None:
            raise ConnectionAbortedError(f"refused with alert {self._alert}")
        return done

    def read(self, room: memoryview) -> int | None:
        """Decrypt some of what came into `room`; return how many bytes.

        0 says that the client says no more, None that what came is no whole record.

        Raises:
            OSError: it is no TLS, or not what was sent; `unsent` tells the client.
        """
        try:
            return self._openssl.recv_into(room, _RECORD)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError:
            return 0
        except SSL.Error as error:
            raise ConnectionAbortedError(_reason(error)) from error

    def seal(self, data: bytes | memoryview) -> bytes:
        """Return `data` encrypted, behind what else is unsent.

        Raises:
            OSError: the session has ended.
        """
        try:
            self._openssl.send(data)
        except SSL.Error as error:
            raise ConnectionAbortedError(_reason(error)) from error
        expected = len(data) + (len(data) // _RECORD + 1) * _OVERHEAD
        sealed = self._openssl.bio_read(expected)
        return sealed if len(sealed) < expected else sealed + self.unsent()

    def unsent(self) -> bytes:
        """Return what the session itself has to say to the client."""
        if self._alert is not None:
            return _ALERT % self._alert
        data = b""
        try:
            while len(data) % _SMALL == 0:
                data += self._openssl.bio_read(_SMALL)
        except SSL.WantReadError:
            pass
        return data

    def farewell(self) -> bytes:
        """Return what says that nothing more comes."""
        with suppress(SSL.Error):
            self._openssl.shutdown()
        return self.unsent()


def _host_name(text: str) -> str:
    """Return a server name in lower case; "" for an address, which is none (RFC 6066, 3)."""
    try:
        ip_address(text)
    except ValueError:
        return text.lower()
    return ""


def _reason(error: SSL.Error) -> str:
    """Return what OpenSSL says was wrong."""
    match error.args:
        case ([*entries],):
            return ", ".join(entry[-1] for entry in entries) or "TLS failed"
    return str(error) or type(error).__name__

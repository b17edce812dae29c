"""The certificate that the server was given (`tls-cert`): files that somebody renews."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.registry.http.sessions import TlsContext
from lreg.store.files import stamp_of

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.registry.http.sessions import Session
    from lreg.store.files import Stamp

log = logging.getLogger(__name__)


class GivenCertificate:
    """A certificate and its key, read anew when their files change; used from one event loop.

    Attributes:
        context: what listeners make their sessions with.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        """Read both; raise UsageError where they can't be used."""
        self._files = cert, key
        self._stamps = self._look()
        self._current = loaded(cert, key)
        self.context = TlsContext(self._choose)

    def _choose(self, session: Session) -> None:
        if (stamps := self._look()) != self._stamps:
            self._stamps = stamps
            self._renew()
        session.show(self._current)

    def _renew(self) -> None:
        cert, key = self._files
        try:
            self._current = loaded(cert, key)
        except UsageError as error:
            # One may be new and the other not yet. Until both are, the old ones serve.
            log.warning("tls.not_renewed", extra={"error": str(error)})
        else:
            log.info("tls.renewed", extra={"file": str(cert)})

    def _look(self) -> list[Stamp | None]:
        return [_stamp(file) for file in self._files]


def loaded(cert: Path, key: Path) -> TlsContext:
    """Return a context with a certificate and its chain; raise UsageError where it can't be used.

    Args:
        cert: the chain, PEM.
        key: its private key, PEM.
    """
    context = TlsContext()
    try:
        context.load(cert, key)
    except ValueError as error:
        raise UsageError(f"{cert} and {key} are no certificate and its key: {error}") from None
    return context


def _stamp(file: Path) -> Stamp | None:
    try:
        return stamp_of(os.stat(file))
    except OSError:
        return None

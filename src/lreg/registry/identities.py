"""Which certificate whoever connects gets: the server's own, or one of an upstream it stands for.

A node whose hosts file says that quay.io is here asks for quay.io by TLS server name (RFC 6066, 3)
and trusts the private CA: it gets a certificate of that name, made when it is first asked for. Only
names of upstreams on the list get one, so that clients can't have any number of them made.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.kinds import HOST_NAME
from lreg.network import own_address
from lreg.node.plan import spoofed_names
from lreg.oci.reference import canonical_host
from lreg.registry.given import GivenCertificate, loaded
from lreg.registry.http.sessions import INTERNAL_ERROR, UNRECOGNIZED_NAME, TlsContext

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from lreg.certificates import CertificateAuthority, Lifetime
    from lreg.config import Config
    from lreg.registry.http.sessions import Session

log = logging.getLogger(__name__)

_OWN = ""
# A machine has more addresses than it knows to name; so many that clients come to are added.
_MOST_MET = 64
# What could not be replaced serves for so many seconds before that is tried again.
_AGAIN = 60.0
_DAY = 86400.0


def tls_context(config: Config) -> TlsContext:
    """Return the context of the listeners that speak TLS.

    Raises:
        UsageError: the certificate or its key can't be used.
    """
    if config.tls_cert and config.tls_key:
        return GivenCertificate(config.tls_cert, config.tls_key).context
    from lreg.certificates import ensure_ca  # noqa: PLC0415 - a server without it starts sooner

    authority = ensure_ca(config.ca_folder)
    return Identities(authority, lambda: own_names(config), config.upstreams).context


def own_names(config: Config) -> set[str]:
    """Return what the server's own certificate is good for: all it is known to be reached by."""
    names = {"localhost", "127.0.0.1", "::1", *config.tls_name}
    if HOST_NAME.fullmatch(host := socket.gethostname()):
        names.add(host)
    for address in config.listen:
        if address.is_wildcard:
            names.update(_own_addresses())
        elif address.host:
            names.add(address.host)
    return names


@dataclass(frozen=True, slots=True)
class _Identity:
    names: frozenset[str]
    context: TlsContext
    life: Lifetime


class Identities:
    """The certificates of the private CA that a server shows; used from one event loop.

    Attributes:
        context: what listeners make their sessions with.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        own: Callable[[], set[str]],
        upstreams: Collection[str],
    ) -> None:
        """Make the server's own certificate, or take the one of the last start.

        Args:
            authority: what signs.
            own: gives the server's own names and addresses, anew at each renewal.
            upstreams: the canonical hosts whose names get a certificate as well.
        """
        self._authority = authority
        self._own = own
        self._own_names = _folded(own())
        self._met: set[str] = set()
        self._upstreams = frozenset(upstreams)
        self._next_look = 0.0
        self._look_at_ca()
        self._made = {_OWN: self._make(_OWN, frozenset())}
        self._minting: dict[str, asyncio.Task[None]] = {}
        self._rest_until: dict[str, float] = {}
        self.context = TlsContext(self._choose)

    def _choose(self, session: Session) -> None:
        """Give a session its certificate, or end it with an alert."""
        self._look_at_ca()
        key = self._key(session.server_name)
        if key is None:
            log.info(
                "tls.name_refused",
                extra={"server_name": session.server_name, "setting": "tls-name"},
            )
            session.refuse(UNRECOGNIZED_NAME)
            return
        now, identity = time.time(), self._made.get(key)
        # The clock may have jumped, in either direction, since it was made.
        is_fit = identity and identity.life.covers(now) and not self._is_new(session, identity)
        if identity is None or not (is_fit or self._rests(key)):
            session.wanted = self._mint(key)
            session.refuse(INTERNAL_ERROR)
            return
        if now >= identity.life.renew and not self._rests(key):
            self._mint(key)
        session.show(identity.context)

    def _look_at_ca(self) -> None:
        """Say once a day that the CA ends, if it does so soon."""
        if (now := time.monotonic()) < self._next_look:
            return
        from lreg.certificates import NOTICE_DAYS, Lifetime  # noqa: PLC0415 - as above

        self._next_look = now + _DAY
        days = Lifetime.of(self._authority.certificate).days_left
        if days < NOTICE_DAYS:
            log.warning(
                "tls.ca_ends",
                extra={
                    "days": days,
                    "file": str(self._authority.path),
                    "renew": "remove its folder, restart, and give clients the new CA",
                },
            )

    def _is_new(self, session: Session, identity: _Identity) -> bool:
        """Return whether a client came to an address of ours that the certificate has not.

        Who names no server connected to an address, and verifies that.
        """
        address = session.address
        if session.server_name or not address or address in identity.names:
            return False
        if len(self._met) < _MOST_MET:
            self._met.add(address)
        return address in self._met

    def _key(self, name: str) -> str | None:
        """Return whose certificate a server name gets: `_OWN`, an upstream's host, or None."""
        if not name or name in self._own_names or f"*.{name.partition('.')[2]}" in self._own_names:
            return _OWN
        host = canonical_host(name)
        return host if host in self._upstreams else None

    def _rests(self, key: str) -> bool:
        """Return whether making it failed a moment ago: what is there serves meanwhile."""
        return self._rest_until.get(key, 0.0) > time.monotonic()

    def _mint(self, key: str) -> asyncio.Task[None]:
        if (task := self._minting.get(key)) is None:
            task = self._minting[key] = asyncio.get_running_loop().create_task(self._replace(key))
            task.add_done_callback(lambda _: self._minting.pop(key))
        return task

    async def _replace(self, key: str) -> None:
        # Signing and the disk take their time: in a thread.
        try:
            self._made[key] = await self._new(key)
        except (OSError, ValueError, LregError) as error:
            self._rest_until[key] = time.monotonic() + _AGAIN
            log.error(  # noqa: TRY400 - the reason is in the fields
                "tls.no_certificate", extra={"host": key or "own", "error": str(error)}
            )
            return
        log.info("tls.certificate", extra={"host": key or "own"})

    async def _new(self, key: str) -> _Identity:
        while True:
            met = frozenset(self._met)
            made = await asyncio.to_thread(self._make, key, met)
            if met == self._met:  # else a client came to yet another address meanwhile
                return made

    def _make(self, key: str, met: frozenset[str]) -> _Identity:
        from lreg.certificates import Lifetime  # noqa: PLC0415 - as above

        names = self._own() | met if key == _OWN else spoofed_names((key,))
        cert, private = self._authority.issue(names)
        if key == _OWN:
            # No other set of names can be wanted any more.
            self._authority.keep_only(
                [names, *(spoofed_names((host,)) for host in self._upstreams)]
            )
        return _Identity(_folded(names), loaded(cert, private), Lifetime.of(cert))


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _own_addresses() -> set[str]:
    """Return the addresses that this machine's name and its routes lead to."""
    own = set()
    with contextlib.suppress(socket.gaierror):
        own = {
            str(info[4][0]).partition("%")[0]
            for info in socket.getaddrinfo(socket.gethostname(), None)
        }
    routed = (own_address(family) for family in (socket.AF_INET, socket.AF_INET6))
    return own | {address for address in routed if address}

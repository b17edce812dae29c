"""Under which address other machines reach an lreg that runs here."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lreg.errors import LregError
from lreg.kinds import ListenAddress
from lreg.network import own_address

if TYPE_CHECKING:
    from collections.abc import Sequence


def outward(urls: Sequence[str], family: socket.AddressFamily) -> ListenAddress:
    """Return the place, with its scheme, under which others reach best what listens at `urls`.

    For a listener on every address, that of the interface with the default route. Of several,
    those that more than this machine reaches go first, then plain HTTP, which is what HOST:PORT
    alone is taken for. A word goes to stderr where only this machine reaches it.

    Args:
        urls: such as `http://0.0.0.0:5000`; Unix sockets among them do not count.
        family: of the address that is wanted.

    Raises:
        LregError: none is of this family, or this machine has no address towards others.
    """
    places = map(ListenAddress.parse, urls)
    usable = [place for place in places if place.path is None and _serves(place, family)]
    if not usable:
        raise LregError(
            f"it listens on no {'IPv6' if family == socket.AF_INET6 else 'IPv4'} address: "
            f"{' '.join(urls)}"
        )
    best = min(usable, key=_preference)
    if best.is_loopback:
        click.echo("lreg: only this machine reaches it; `--listen :5000` lets others in", err=True)
    host = own_address(family) if best.is_wildcard else best.host
    if host is None:
        raise LregError("this machine has no route to anywhere: name the address with --listen")
    return replace(best, host=host)


def _preference(place: ListenAddress) -> tuple[bool, ...]:
    return place.is_loopback, place.scheme == "https", place.is_wildcard


def _serves(place: ListenAddress, family: socket.AddressFamily) -> bool:
    is_six = ":" in place.host
    is_four = place.host.replace(".", "").isdigit()
    return not (is_four if family == socket.AF_INET6 else is_six)

"""`lreg address`: under which address others reach the registry."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click

from lreg.cli import running
from lreg.cli.options import with_settings
from lreg.errors import LregError
from lreg.kinds import ListenAddress
from lreg.network import own_address

if TYPE_CHECKING:
    from lreg.config import Loaded


@click.command()
@with_settings("store")
@click.option("-6", "six", is_flag=True, help="An IPv6 address.")
def command(loaded: Loaded, *, six: bool) -> None:
    """Print the HOST:PORT under which others reach the registry that runs here.

    For a listener on every address, that of the interface with the default route. Of several, the
    first that speaks plain HTTP, since that is what HOST:PORT alone is taken for. If it listens on
    loopback only, that is printed, with a word on stderr.
    """
    found = running.find(loaded.config.store)
    if found is None:
        raise LregError(f"none runs on {loaded.config.store}: `lreg start` one")
    family = socket.AF_INET6 if six else socket.AF_INET
    places = map(ListenAddress.parse, found.urls)
    usable = [place for place in places if place.path is None and _serves(place, family)]
    if not usable:
        raise LregError(
            f"it listens on no {'IPv6' if six else 'IPv4'} address: {' '.join(found.urls)}"
        )
    best = min(usable, key=_preference)
    if best.is_loopback:
        click.echo("lreg: only this machine reaches it; `--listen :5000` lets others in", err=True)
    host = own_address(family) if best.is_wildcard else best.host
    if host is None:
        raise LregError("this machine has no route to anywhere: name the address with --listen")
    click.echo(str(ListenAddress(host, best.port)))


def _preference(place: ListenAddress) -> tuple[bool, ...]:
    return place.is_loopback, place.scheme == "https", place.is_wildcard


def _serves(place: ListenAddress, family: socket.AddressFamily) -> bool:
    is_six = ":" in place.host
    is_four = place.host.replace(".", "").isdigit()
    return not (is_four if family == socket.AF_INET6 else is_six)

"""`lreg address`: under which address others reach the registry."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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

    For a listener on every address, that of the interface with the default route. If it listens on
    loopback only, that is printed, with a word on stderr.
    """
    found = running.find(loaded.config.store)
    if found is None:
        raise LregError(f"none runs on {loaded.config.store}: `lreg start` one")
    family = socket.AF_INET6 if six else socket.AF_INET
    places = [
        ListenAddress.parse(urlsplit(url).netloc)
        for url in found.urls
        if url.startswith(("http://", "https://"))
    ]
    usable = [place for place in places if _serves(place, family)]
    if not usable:
        raise LregError(
            f"it listens on no {'IPv6' if six else 'IPv4'} address: {' '.join(found.urls)}"
        )
    best = min(usable, key=lambda place: (place.is_loopback, place.is_wildcard))
    if best.is_loopback:
        click.echo("lreg: only this machine reaches it; `--listen :5000` lets others in", err=True)
    host = own_address(family) if best.is_wildcard else best.host
    if host is None:
        raise LregError("this machine has no route to anywhere: name the address with --listen")
    click.echo(str(ListenAddress(host, best.port)))


def _serves(place: ListenAddress, family: socket.AddressFamily) -> bool:
    is_six = ":" in place.host
    is_four = place.host.replace(".", "").isdigit()
    return not (is_four if family == socket.AF_INET6 else is_six)

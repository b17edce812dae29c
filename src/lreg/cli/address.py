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

if TYPE_CHECKING:
    from lreg.config import Loaded

# Documentation addresses (RFC 5737, RFC 3849): a route to the world leads there too.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


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
    host = _own_address(family) if best.is_wildcard else best.host
    click.echo(str(ListenAddress(host, best.port)))


def _serves(place: ListenAddress, family: socket.AddressFamily) -> bool:
    is_six = ":" in place.host
    is_four = place.host.replace(".", "").isdigit()
    return not (is_four if family == socket.AF_INET6 else is_six)


def _own_address(family: socket.AddressFamily) -> str:
    """Return the address that this machine has towards the world; raise LregError."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            # Nothing is sent: a datagram socket only looks up its route.
            sock.connect((_FAR[family], 9))
        except OSError:
            raise LregError(
                "this machine has no route to anywhere: name the address with --listen"
            ) from None
        return str(sock.getsockname()[0])

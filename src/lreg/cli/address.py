"""`lreg address`: under which address others reach the registry."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lreg.cli.options.settings import with_settings
from lreg.cli.registries import running
from lreg.cli.registries.outward import outward
from lreg.errors import LregError

if TYPE_CHECKING:
    from lreg.config import Loaded


@click.command(epilog="Example: ssh node docker pull $(lreg address)/hello")
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
    place = outward(found.urls, socket.AF_INET6 if six else socket.AF_INET)
    click.echo(str(replace(place, scheme="")))

"""`lreg stop`: end the registry that runs on a store."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import click

from lreg.cli.options.settings import with_settings
from lreg.cli.registries import running
from lreg.errors import LregError

if TYPE_CHECKING:
    from lreg.config import Loaded

# Past the grace time the server cuts what still runs; this is for the rest of its end.
_MARGIN = 5.0


@click.command()
@with_settings("store")
def command(loaded: Loaded) -> None:
    """Stop the registry that runs on the store; not running is no error.

    Running requests may end first, for as long as the server's grace time.
    """
    store = loaded.config.store
    if (found := running.find(store)) is None:
        if running.is_held(store):
            raise LregError(f"the one on {store} is only just starting: try again")
        click.echo(f"lreg: none runs on {store}", err=True)
        return
    running.send(store, found, signal.SIGTERM)
    end = time.monotonic() + found.grace + _MARGIN
    while running.is_held(store):
        if time.monotonic() > end:
            raise LregError(f"pid {found.pid} has not ended yet: it finishes what it is at")
        time.sleep(0.02)
    click.echo(f"stopped, pid {found.pid}")

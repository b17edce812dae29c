"""`lreg status`: whether the registry runs, and where."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lreg.cli import running
from lreg.cli.options import with_settings

if TYPE_CHECKING:
    from lreg.config import Loaded

# LSB, "Init script actions": the status of a program that does not run.
_NOT_RUNNING = 3


@click.command()
@with_settings("store")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, loaded: Loaded, *, as_json: bool) -> None:
    """Say whether the registry runs, where it listens and where the store lies.

    The exit code is 0 if it runs and 3 if not.
    """
    store = loaded.config.store
    found = running.find(store)
    held = found is not None or running.is_held(store)
    if as_json:
        state = asdict(found) if found else {}
        click.echo(json.dumps({"running": found is not None, "store": str(store), **state}))
    elif found is None:
        click.echo(f"starting on {store}" if held else f"not running on {store}")
    else:
        click.echo(f"running, pid {found.pid}, for {_span(time.time() - found.started)}")
        for url in found.urls:
            click.echo(f"listening on {url}")
        click.echo(f"store in {store}")
        if found.log:
            click.echo(f"log in {found.log}")
        if found.ca:
            click.echo(f"CA in {found.ca}")
    if found is None:
        ctx.exit(_NOT_RUNNING)


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"

"""`lreg status`: whether the registry runs, and where."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.cli.options.printing import json_option
from lreg.cli.options.settings import with_settings
from lreg.cli.output.text import print_json
from lreg.cli.registries import running

if TYPE_CHECKING:
    from lreg.config import Loaded

# LSB, "Init script actions": the status of a program that does not run.
_NOT_RUNNING = 3


@click.command()
@with_settings("store")
@json_option
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
        if found and found.ca:
            state["ca_days_left"] = _days_left(found.ca)
        print_json({"running": found is not None, "store": str(store), **state})
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
            _show_ca(found.ca)
    if found is None:
        ctx.exit(_NOT_RUNNING)


def _days_left(ca: str) -> int | None:
    """Return for how many days a CA is still good; None where its file can't be read."""
    from lreg.certificates import Lifetime  # noqa: PLC0415 - most have none, and it takes its time

    try:
        return Lifetime.of(Path(ca)).days_left
    except (OSError, ValueError):
        return None


def _show_ca(ca: str) -> None:
    from lreg.certificates import NOTICE_DAYS  # noqa: PLC0415 - as above

    click.echo(f"CA in {ca}")
    days = _days_left(ca)
    if days is not None and days < NOTICE_DAYS:
        when = f"ends in {days} days" if days >= 0 else "has ended"
        mend = f"remove {Path(ca).parent}, restart, and give clients the new CA"
        click.echo(f"the CA {when}: {mend}")


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"

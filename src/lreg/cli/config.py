"""`lreg config`: the settings and where each value comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lreg.cli.options import with_settings
from lreg.config import SETTINGS

if TYPE_CHECKING:
    from lreg.config import Loaded


@click.group()
def command() -> None:
    """Show the settings and where each comes from."""


@command.command()
@with_settings()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(loaded: Loaded, *, as_json: bool) -> None:
    """Print every setting, its value and its origin; the text is a valid lreg.toml.

    The flags are those of `lreg serve`: give them to see what they would change.
    """
    values = {
        setting.name: (setting.show(getattr(loaded.config, setting.attribute)), setting)
        for setting in SETTINGS
    }
    if as_json:
        click.echo(
            json.dumps(
                {
                    name: {
                        "value": json.loads(text) if text else None,
                        "origin": loaded.origins[name],
                    }
                    for name, (text, _) in values.items()
                },
                indent=2,
            )
        )
        return
    lines = {
        name: f"{name} = {text}" if text else f"# {name}" for name, (text, _) in values.items()
    }
    width = max(len(line) for line in lines.values())
    for name, line in lines.items():
        click.echo(f"{line:<{width}}  # {loaded.origins[name]}")


@command.command()
@with_settings("store")
def path(loaded: Loaded) -> None:
    """Print the path of the lreg.toml that is read; say on stderr if there is none there."""
    from lreg.config import default_file  # noqa: PLC0415

    click.echo(str(loaded.file or default_file()))
    if loaded.file is None:
        click.echo("lreg: no file there: only the environment and flags count", err=True)

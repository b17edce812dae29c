"""`lreg config`: the settings and where each value comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lreg.cli.options.printing import json_option
from lreg.cli.options.settings import with_settings
from lreg.cli.output.text import print_json
from lreg.config import SETTINGS, Config
from lreg.settings import settings_of
from lreg.upstreams import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.config import Loaded
    from lreg.settings import Setting
    from lreg.upstreams import Table

_CUT = "without its password"


@click.group()
def command() -> None:
    """Show the settings and where each comes from."""


@command.command()
@with_settings()
@json_option
def show(loaded: Loaded, *, as_json: bool) -> None:
    """Print every setting, its value and its origin; the text is a valid lreg.toml.

    The flags are those of `lreg serve`: give them to see what they would change. Of a table only
    those keys are printed that are set; a password in the URL of a proxy is left out.
    """
    values = {each.name: each.show(getattr(loaded.config, each.attribute)) for each in SETTINGS}
    entries = [entry for table in TABLES for entry in _entries(loaded, table)]
    if as_json:
        print_json(_json(loaded, values, entries))
        return
    lines = [
        (f"{name} = {text}" if text else f"# {name}", loaded.origins[name])
        for name, text in values.items()
    ]
    for entry in entries:
        lines.append((entry.heading, entry.origin))
        lines += [
            (f"{name} = {text}", _CUT if name in entry.cut else "")
            for name, text in entry.values.items()
        ]
    width = max(len(line) for line, _ in lines)
    for line, remark in lines:
        click.echo(f"{line:<{width}}  # {remark}" if remark else line)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One table: its values as TOML by the key's name, and the keys whose secret is left out."""

    table: Table
    key: str
    values: dict[str, str]
    cut: frozenset[str]
    origin: str

    @property
    def heading(self) -> str:
        return self.table.heading.replace("HOST", self.key)


def _entries(loaded: Loaded, table: Table) -> Iterator[_Entry]:
    usual = dict(table.listed(getattr(Config(), table.attribute)))
    for key, item in table.listed(getattr(loaded.config, table.attribute)):
        given = {
            each: value
            for each in settings_of(table.declaration)
            if (value := getattr(item, each.attribute)) != each.initial() or each.required
        }
        yield _Entry(
            table,
            key,
            {each.name: each.show(value) for each, value in given.items()},
            frozenset(each.name for each, value in given.items() if _hides(each, value)),
            # A table stands in the file or nowhere.
            "default" if item == usual.get(key) else str(loaded.file),
        )


def _hides(setting: Setting[Any], value: Any) -> bool:
    public = setting.kind.public
    return public is not None and public(value) != setting.kind.text(value)


def _json(loaded: Loaded, values: dict[str, str], entries: list[_Entry]) -> dict[str, Any]:
    # What TOML writes for the values of settings is JSON too.
    shown: dict[str, Any] = {
        name: {"value": json.loads(text) if text else None, "origin": loaded.origins[name]}
        for name, text in values.items()
    }
    shown |= {table.name: {} if "HOST" in table.heading else [] for table in TABLES}
    for entry in entries:
        said = {
            "value": {name: json.loads(text) for name, text in entry.values.items()},
            "origin": entry.origin,
        }
        if entry.key:
            shown[entry.table.name][entry.key] = said
        else:
            shown[entry.table.name].append(said)
    return shown


@command.command()
@with_settings("store")
def path(loaded: Loaded) -> None:
    """Print the path of the lreg.toml that is read; say on stderr if there is none there."""
    from lreg.config import default_file  # noqa: PLC0415

    click.echo(str(loaded.file or default_file()))
    if loaded.file is None:
        click.echo("lreg: no file there: only the environment and flags count", err=True)

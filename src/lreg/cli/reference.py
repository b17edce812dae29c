"""`python -m lreg.cli.reference`: docs/reference.md, made of what the program itself declares."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lreg import errors
from lreg.cli import root
from lreg.config import FILE_VARIABLE, SETTINGS
from lreg.kinds import SWITCH
from lreg.settings import settings_of
from lreg.upstreams import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.settings import Setting

_WIDTH = 100

_HEAD = f"""\
# Reference

Made by `make reference` from the program's own declarations; do not edit.

## Settings

Each can stand in `lreg.toml`, in the environment, and on the command line of `lreg serve`, `start`
and `service install`; the later of these wins. `lreg config show` says what is in force and why.
The file is the one that `--config` names, else the one that `${FILE_VARIABLE}` names, else
`/etc/lreg/lreg.toml` for root and `$XDG_CONFIG_HOME/lreg/lreg.toml` for others, where it exists.
In the environment, commas stand between the items of a list. An unknown setting is an error.
A duration is such as 500ms, 30s, 5m, 24h or 7d, a size such as 512B, 500MiB, 20GB or 2TiB.
"""

_TABLES = """\
### Tables

These stand in `lreg.toml` only. `lreg config show` prints them all, passwords left out.
"""

_ERRORS = """\
## Errors

What a client reads in the body and the status of a response, and what a script reads from the exit
code of a command. Exit code 130 is an interrupt (Ctrl-C).
"""


def reference() -> str:
    """Return the whole page, Markdown."""
    return "\n".join([*_settings(), *_tables(), *_errors(), *_commands()]) + "\n"


def _settings() -> Iterator[str]:
    yield _HEAD
    yield "| lreg.toml | Environment | Flag | Default | |"
    yield "|---|---|---|---|---|"
    for setting in SETTINGS:
        name = setting.name
        flag = f"`--{name}`"
        if setting.kind is SWITCH:
            flag += f" `--no-{name}`"
        default = setting.default_doc
        yield f"| `{name}` | `{setting.variable}` | {flag} | {default} | {_doc(setting)} |"
    yield ""


def _doc(setting: Setting[Any]) -> str:
    kind = " or ".join(setting.kind.choices) or setting.kind.name
    return f"{setting.doc} ({f'list of {kind}' if setting.many else kind})"


def _tables() -> Iterator[str]:
    yield _TABLES
    for table in TABLES:
        yield f"`{table.heading}`: {table.doc}"
        yield ""
        yield "| Key | Default | |"
        yield "|---|---|---|"
        for setting in settings_of(table.declaration):
            yield f"| `{setting.name}` | {setting.default_doc} | {_doc(setting)} |"
        yield ""


def _errors() -> Iterator[str]:
    yield _ERRORS
    yield "| Error | Code | HTTP status | Exit code | |"
    yield "|---|---|---|---|---|"
    for error in _tree(errors.LregError):
        code, status = "", ""
        if issubclass(error, errors.RegistryError):
            code, status = f"`{error.code}`", str(error.status)
        yield f"| {error.__name__} | {code} | {status} | {error.exit_code} | {error()} |"
    yield ""


def _tree(error: type[errors.LregError]) -> Iterator[type[errors.LregError]]:
    if error.__module__ == errors.__name__:
        yield error
        for child in error.__subclasses__():
            yield from _tree(child)


def _commands() -> Iterator[str]:
    yield "## Commands"
    yield from _help(root, None)


def _help(command: click.Command, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command,
        parent,
        info_name="lreg" if parent is None else command.name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield ""
    yield f"### {context.command_path}"
    yield ""
    yield "```text"
    yield command.get_help(context)
    yield "```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if child := command.get_command(context, name):
                child.name = name
                yield from _help(child, context)


if __name__ == "__main__":
    sys.stdout.write(reference())

"""Command-line options made from the settings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from lreg.config import FILE_VARIABLE, SETTINGS, Loaded, load
from lreg.kinds import PATH, SWITCH

if TYPE_CHECKING:
    from lreg.settings import Setting

F = TypeVar("F", bound=Callable[..., Any])


def with_settings(*names: str) -> Callable[[F], F]:
    """Give a command `--config` and a flag for each setting named; for every one if none is.

    The command gets the loaded configuration as its first argument, `loaded`.
    """
    chosen = [setting for setting in SETTINGS if not names or setting.name in names]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapped(config_file: Path | None, **options: Any) -> Any:
            flags = {setting.name: _given(options.pop(setting.attribute)) for setting in chosen}
            return function(load(flags, config_file), **options)

        decorated: Any = wrapped
        for setting in reversed(chosen):
            decorated = _option(setting)(decorated)
        decorated = click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"Read settings from here.  [env: {FILE_VARIABLE}]",
        )(decorated)
        return cast("F", decorated)

    return decorate


def _given(value: object) -> object:
    # Without the flag, click gives () for a list.
    return None if value == () else value


def _option(setting: Setting[Any]) -> Callable[[F], F]:
    flag = f"--{setting.name}"
    again = " May be repeated." if setting.many else ""
    text = f"{setting.doc}{again}  [env: {setting.variable}; default: {setting.default_doc}]"
    if setting.kind is SWITCH:
        return click.option(
            f"{flag}/--no-{setting.name}", setting.attribute, default=None, help=text
        )
    choices = setting.kind.choices
    return click.option(
        flag,
        setting.attribute,
        multiple=setting.many,
        metavar=f"[{'|'.join(choices)}]" if choices else setting.kind.name.upper(),
        help=text,
        # For shells that complete it; what is wrong is said where settings are parsed.
        type=click.Path() if setting.kind is PATH else None,
        shell_complete=_offer(choices) if choices else None,
    )


def _offer(choices: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    return lambda _ctx, _param, begun: [each for each in choices if each.startswith(begun)]


def as_flags(loaded: Loaded, *, all_set: bool = False) -> list[str]:
    """Return the command line that gives the same settings again, from any folder.

    Those that were flags; with `all_set` those of the environment too. `--config` comes along
    where a file was read.
    """
    arguments = ["--config", str(loaded.file.absolute())] if loaded.file else []
    for setting in SETTINGS:
        origin = loaded.origins[setting.name]
        if not origin.startswith(("--", "$") if all_set else "--"):
            continue
        value = getattr(loaded.config, setting.attribute)
        if setting.kind is SWITCH:
            arguments.append(f"--{setting.name}" if value else f"--no-{setting.name}")
            continue
        for item in value if setting.many else (value,):
            arguments += [f"--{setting.name}", setting.kind.text(item)]
    return arguments

"""Groups of commands that import a command only when it is the one asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group whose commands are `command` in the modules of one package."""

    def __init__(
        self, *args: Any, package: str, entries: Mapping[str, tuple[str, str]], **kwargs: Any
    ) -> None:
        """Give it its commands: by name, the section of the help and what the help says."""
        super().__init__(*args, **kwargs)
        self._package, self._entries = package, entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names in the order of the help."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now; None where there is none of that name."""
        if cmd_name not in self._entries:
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name}")
        return cast("click.Command", module.command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what is to run; raise click.UsageError naming the nearest command."""
        if args[0] not in self._entries and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 -- for a mistake only

            near = difflib.get_close_matches(args[0], self._entries, n=1, cutoff=0)
            raise click.UsageError(
                f"there is no command {args[0]!r}; the nearest is {near[0]!r}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with one line each, by section."""
        for section in dict.fromkeys(section for section, _ in self._entries.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, line) for name, (at, line) in self._entries.items() if at == section]
                )

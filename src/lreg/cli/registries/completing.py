"""Completion of repository names and tags from the local registry: quick, and silent on failure."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from click.shell_completion import BashComplete, add_completion_class, split_arg_string

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import click
    from click.shell_completion import CompletionItem

# A shell waits for this many seconds, not longer.
_PATIENCE = 1.0


def repositories(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the repositories that begin with `incomplete` (click's `shell_complete`)."""
    del ctx, param
    return _silently(_names(incomplete))


def images(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the repositories that begin with `incomplete`, after a colon the images."""
    del ctx, param
    name, colon, tag = incomplete.rpartition(":")
    return _silently(_tagged(name, tag) if colon else _names(incomplete))


def upstreams(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the upstreams that begin with `incomplete`."""
    del ctx, param
    return _silently(_upstreams(incomplete))


def join_at_colons(words: list[str]) -> list[str]:
    """Return the words of a command line that bash broke at every colon."""
    joined: list[str] = []
    glued = False
    for word in words:
        if joined and (glued or word == ":"):
            joined[-1] += word
        else:
            joined.append(word)
        glued = word == ":"
    return joined


class ColonBash(BashComplete):
    """Completion for bash, which takes a colon for the end of a word (COMP_WORDBREAKS)."""

    _shown = 0

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one to complete, without the program's, and that one."""
        words = split_arg_string(os.environ["COMP_WORDS"])
        index = int(os.environ["COMP_CWORD"])
        if index >= len(words):
            return join_at_colons(words)[1:], ""
        *before, incomplete = join_at_colons(words[: index + 1])
        # Of an answer bash wants what follows the last break.
        last = "" if words[index] == ":" else words[index]
        self._shown = len(incomplete) - len(last)
        return before[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return the line for an item, without what stands on the command line already."""
        return f"{item.type},{item.value[self._shown :]}"


def register() -> None:
    """Make `ColonBash` the completion for bash."""
    add_completion_class(ColonBash)


def _silently(found: Coroutine[Any, Any, list[str]]) -> list[str]:
    # Whatever goes wrong, a shell that completes is no place to say it.
    try:
        return asyncio.run(asyncio.wait_for(found, _PATIENCE))
    except Exception:  # noqa: BLE001
        return []


async def _names(prefix: str) -> list[str]:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415 -- `lreg ls --help` needs no client

    async with Registries() as registries:
        registry = await registries.local()
        return [str(name) async for name in registry.catalog(prefix)]


async def _tagged(name: str, prefix: str) -> list[str]:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415
    from lreg.oci.reference import RepositoryName  # noqa: PLC0415

    async with Registries() as registries:
        repository = (await registries.local()).repository(RepositoryName.parse(name))
        tags = [str(tag) async for tag in repository.tags()]
    return [f"{name}:{tag}" for tag in tags if tag.startswith(prefix)]


async def _upstreams(prefix: str) -> list[str]:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries() as registries:
        admin = await registries.lreg()
    return [host for host in admin.about.upstreams if host.startswith(prefix)]

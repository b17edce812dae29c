"""What the commands share that only an lreg can answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lreg.cli.options.access import Access
    from lreg.client.admin import Admin

T = TypeVar("T")


def ask_lreg(access: Access, ask: Callable[[Admin], Awaitable[T]]) -> T:
    """Return what the lreg that is the local registry says; raise LregError where it is none."""
    return asyncio.run(_ask(access, ask))


async def _ask(access: Access, ask: Callable[[Admin], Awaitable[T]]) -> T:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415 -- `--help` needs no client

    async with Registries(access) as registries:
        return await ask(await registries.lreg())

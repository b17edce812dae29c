"""`lreg missing`: what of manifests, or of a lock file, is not in the registry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lreg.admin.codec import to_json
from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.options.sources import look, names_any, source_options
from lreg.cli.output.text import print_json
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lreg.admin.values import Missing
    from lreg.images.finding.sources import Sources


@click.command(epilog="Examples: lreg missing ./manifests; lreg missing --lock images.lock")
@source_options
@click.option(
    "--lock",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The images that should be there, as `lreg pulled --lock` and `lreg preload --lock` "
    "write them.",
)
@access_options
@click.option("--names-only", is_flag=True, help="Print nothing but the names.")
@json_option
def command(
    *,
    sources: Sources,
    only_sure: bool,
    exclude: tuple[str, ...],
    lock: Path | None,
    access: Access,
    names_only: bool,
    as_json: bool,
) -> None:
    """List the images that each PATH needs and that are not wholly in the registry here.

    PATH is as for `lreg images`. One image a line, then what of it is missing; the exit code is 1
    if there is any. No upstream is asked for anything: `lreg preload` brings what is missing, `lreg
    cache --lock FILE` that of a lock file.
    """
    if names_any(sources) == bool(lock):
        raise UsageError("name files or folders, or a --lock FILE")
    guessed = frozenset[str]()
    if lock:
        found = asyncio.run(_of_lock(lock, access))
    else:
        needs, _ = look(sources, only_sure=only_sure, exclude=exclude)
        guessed = frozenset(need.image for need in needs if not need.sure)
        found = asyncio.run(_of_names([need.image for need in needs], access))
    if as_json:
        print_json([_json(one, guessed) for one in found])
    for one in () if as_json else found:
        click.echo(one.image if names_only else _line(one, guessed))
    if found:
        click.get_current_context().exit(1)


def _line(one: Missing, guessed: Collection[str]) -> str:
    return f"{one.image}  {one.why}{'  guessed' if one.image in guessed else ''}"


def _json(one: Missing, guessed: Collection[str]) -> dict[str, Any]:
    return {**to_json(one), "sure": one.image not in guessed}


async def _of_lock(lock: Path, access: Access) -> list[Missing]:
    from lreg.cli.bringing.missing import missing_locked  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415
    from lreg.images.lock import read  # noqa: PLC0415

    locked = read(lock)
    async with Registries(access) as registries:
        return await missing_locked(registries, locked)


async def _of_names(images: Sequence[str], access: Access) -> list[Missing]:
    from lreg.cli.bringing.missing import missing_images  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        return await missing_images(registries, images)

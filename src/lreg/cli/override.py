"""`lreg override`: an own version in place of an upstream's image."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.admin.codec import to_json
from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import quiet_option
from lreg.cli.output.origins import origin_of, short
from lreg.cli.output.text import print_json
from lreg.cli.registries.completing import images
from lreg.errors import UsageError
from lreg.kinds import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.admin.values import ImageState
    from lreg.cli.registries.remote import Registries
    from lreg.client.admin import Admin
    from lreg.images.archive import ArchivedImage
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class How:
    """How to put an own version in place.

    Attributes:
        until: when it ends, in seconds since 1970; None: never.
        platform: of an index only this image; None: all of it.
        quiet: show no progress.
    """

    until: float | None
    platform: Platform | None
    quiet: bool


def parse_until(text: str, now: float) -> float:
    """Return the moment that `7d` from now, a date or a date and time mean; raise UsageError.

    Args:
        text: a duration, or such as 2026-03-01 or 2026-03-01T12:00, by this machine's clock.
        now: in seconds since 1970, as what is returned.
    """
    try:
        seconds = parse_duration(text)
    except UsageError:
        try:
            end = datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            raise UsageError(
                f"--until: {text!r} is neither a duration (12h, 7d) nor a date (2026-03-01)"
            ) from None
    else:
        end = now + seconds
    if end <= now:
        raise UsageError(f"--until: {text} is over already")
    return end


@click.command(
    epilog="Examples: lreg override mine/alpine:patched alpine:3.8 --until 7d; "
    "lreg override patched.tar alpine:3.8; lreg override --undo alpine:3.8"
)
@click.argument("names", metavar="[SRC] IMAGE", nargs=-1, required=True, shell_complete=images)
@click.option("--undo", is_flag=True, help="Return IMAGE to what upstream has.")
@click.option("--until", metavar="WHEN", help="Return to upstream's by itself: 7d, or a date.")
@platform_option("Of an index take this image alone.")
@access_options
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="Print what the tag means now as JSON.")
def command(
    names: tuple[str, ...],
    *,
    undo: bool,
    until: str | None,
    platform: Platform | None,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Put SRC in place of upstream's IMAGE, byte for byte: whoever pulls IMAGE by tag gets SRC.

    SRC is an image, or an archive with one: the folder of an OCI layout, its tar, or what `docker
    save` writes. A file or layout that is there goes before an image of that name; what begins with
    `/` or `.` is always a path.

    IMAGE is a name as Docker means it: `alpine:3.8` is docker.io/library/alpine:3.8. A pull by
    digest always gets that digest.
    """
    if undo:
        if len(names) != 1 or until or platform:
            raise UsageError("--undo takes one IMAGE and nothing else")
        state = asyncio.run(_undo(names[0], access))
    else:
        if len(names) != 2:
            raise UsageError("give SRC and IMAGE: what to take, and what it is to be called")
        end = parse_until(until, time.time()) if until else None
        with _source(names[0], platform) as source:
            state = asyncio.run(_override(source, names[1], access, How(end, platform, quiet)))
    if as_json:
        print_json(to_json(state))
    elif not quiet:
        click.echo(_line(state))


def _line(state: ImageState) -> str:
    if state.digest is None:
        return f"{state.name} is upstream's again: it is fetched when it is asked for"
    return f"{state.name} is {short(state.digest)}, {origin_of(state)}"


@contextmanager
def _source(text: str, platform: Platform | None) -> Iterator[str | ArchivedImage]:
    """Give the image in an archive where SRC is one, else SRC; raise UsageError."""
    # A folder may happen to be called as an image is.
    layout = os.path.join(text, "oci-layout")
    if text.startswith(("/", ".")) or os.path.isfile(text) or os.path.isfile(layout):
        from lreg.images.archive import open_archive  # noqa: PLC0415 -- few need it

        with open_archive(Path(text), platform) as image:
            yield image
    else:
        yield text


async def _override(
    source: str | ArchivedImage, image: str, access: Access, how: How
) -> ImageState:
    from lreg.cli.carrying.push import push_archived  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        admin = await registries.lreg()
        target = _target(registries, admin, image)
        if isinstance(source, str):
            await _copy(registries, source, target, how)
        else:
            await push_archived(registries, source, target, quiet=how.quiet)
        return await admin.override(f"{target.repository}:{target.tag}", how.until)


async def _copy(registries: Registries, source_text: str, target: Reference, how: How) -> None:
    from lreg.cli.output.progress import shown  # noqa: PLC0415
    from lreg.client.copy import Options, copy_image  # noqa: PLC0415

    source = await registries.locate(source_text)
    with shown(quiet=how.quiet) as progress:
        await copy_image(
            await registries.repository(source),
            source.selector,
            await registries.repository(target),
            target.tag,
            options=Options(platform=how.platform, ask=False),
            progress=progress,
        )


async def _undo(image: str, access: Access) -> ImageState:
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        admin = await registries.lreg()
        target = _target(registries, admin, image)
        return await admin.undo(f"{target.repository}:{target.tag}")


def _target(registries: Registries, admin: Admin, text: str) -> Reference:
    """Return where in the registry here the image lies that stands for upstream's `text`.

    Raises:
        UsageError: its host is no upstream, or it is named by its digest.
    """
    from lreg.cli.registries.naming import repository_of  # noqa: PLC0415
    from lreg.oci.reference import Reference, canonical_host  # noqa: PLC0415

    image = Reference.parse(text).familiar()
    if image.digest:
        raise UsageError(f"{text}: what a digest names can't be another thing: give a tag")
    host = canonical_host(image.host or "")
    if host not in admin.about.upstreams:
        raise UsageError(
            f'{host} is no upstream of {admin.host}: put [upstream."{host}"] into its lreg.toml, '
            "or see `lreg upstream ls`"
        )
    return Reference(registries.local_host, repository_of(image), image.tag)

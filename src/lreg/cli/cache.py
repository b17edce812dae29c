"""`lreg cache`: images from the internet into the registry here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lreg.admin.codec import to_json
from lreg.admin.values import ALL_PLATFORMS, Wanted, WantedImages
from lreg.cli.access import Access, access_options
from lreg.cli.complete import images
from lreg.cli.output import human_seconds, human_size, print_json
from lreg.errors import UsageError
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.cli.bringing import Bringing

_INTERRUPTED = 130


@click.command(
    epilog="Examples: lreg cache alpine:3.8 registry.k8s.io/pause:3.9; "
    "lreg cache --lock images.lock"
)
@click.argument("image", nargs=-1, shell_complete=images)
@click.option(
    "--lock", type=click.Path(path_type=Path), metavar="FILE", help="Bring what this file names."
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    callback=lambda _ctx, _param, texts: tuple(map(Platform.parse, texts)),
    metavar="OS/ARCH",
    help="Of an index bring this image; may be given again.  [default: as the registry is set to, "
    "else its own platform]",
)
@click.option("--all-platforms", is_flag=True, help="Of an index bring every image.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Images at a time."
)
@access_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    image: tuple[str, ...],
    *,
    lock: Path | None,
    platforms: tuple[Platform, ...],
    all_platforms: bool,
    jobs: int,
    insecure: bool,
    ca: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring each IMAGE into the registry here, so that nobody waits for the internet later.

    IMAGE is a name as Docker means it: `alpine:3.8` is docker.io/library/alpine:3.8. An lreg brings
    it itself; into another registry it is copied, under its name without the host.

    What is here already is not fetched again: after Ctrl-C or an error the same command goes on
    from there. An image that fails does not stop the others; the exit code is that of the first.
    """
    if bool(image) == bool(lock):
        raise UsageError("name images, or a --lock FILE")
    if all_platforms and platforms:
        raise UsageError("--platform and --all-platforms exclude each other")
    if lock and (all_platforms or platforms):
        raise UsageError("the lock file says which platforms: leave out --platform")
    named = _named(image, platforms, every=all_platforms)
    try:
        found = asyncio.run(_bring(named, lock, jobs, Access(insecure, ca), quiet=quiet))
    except KeyboardInterrupt:
        click.echo("lreg: stopped: what came stays, the same command goes on from there", err=True)
        ctx.exit(_INTERRUPTED)
    if as_json:
        print_json(_json(found))
    elif not quiet:
        for line in _lines(found):
            click.echo(line)
    for one in found.failed:
        click.echo(f"lreg: {one.image}: {one.why}", err=True)
    ctx.exit(found.failed[0].exit_code if found.failed else 0)


def _named(
    texts: Sequence[str], platforms: Sequence[Platform], *, every: bool
) -> tuple[Wanted, ...]:
    names = dict.fromkeys(str(Reference.parse(text).familiar()) for text in texts)
    chosen = (ALL_PLATFORMS,) if every else tuple(map(str, platforms))
    return tuple(Wanted(name, chosen) for name in names)


async def _bring(
    named: tuple[Wanted, ...], lock: Path | None, jobs: int, access: Access, *, quiet: bool
) -> Bringing:
    from lreg.cli.bringing import Failure, by_copies, by_fills  # noqa: PLC0415 -- `--help` needs
    from lreg.cli.locked import missing_of, wanted_of  # noqa: PLC0415             no client
    from lreg.cli.progress import shown  # noqa: PLC0415
    from lreg.cli.remote import Registries  # noqa: PLC0415
    from lreg.client.admin import Admin  # noqa: PLC0415
    from lreg.images.lock import read  # noqa: PLC0415

    locked = read(lock) if lock else ()
    async with Registries(access) as registries:
        admin = await Admin.find(await registries.local())
        hosts = admin.about.upstreams if admin else {one.reference.host for one in locked} - {None}
        own = [one for one in locked if one.reference.host not in hosts]
        wanted = wanted_of(one for one in locked if one not in own) if lock else named
        lacking = await missing_of(registries, own) if own else []
        with shown(quiet=quiet) as progress:
            if admin:
                found = await by_fills(admin, WantedImages(wanted, jobs), progress)
            else:
                found = await by_copies(registries, WantedImages(wanted, jobs), progress)
    why = "{}; no upstream has it, so it has to be pushed"
    found.failed += [Failure(one.image, why.format(one.why)) for one in lacking]
    return found


def _lines(found: Bringing) -> list[str]:
    lines = [f"{one.image}{'' if '@' in one.image else f'@{one.digest}'}" for one in found.brought]
    end = found.end
    lines.append(
        f"{human_size(end.fetched.size)} fetched, {human_size(end.here.size)} here already, "
        f"{human_seconds(end.seconds)}"
    )
    return lines


def _json(found: Bringing) -> dict[str, Any]:
    failed = [{"image": one.image, "error": one.why} for one in found.failed]
    images = [*map(_without_event, found.brought), *failed]
    return {"images": images, **_without_event(found.end)}


def _without_event(value: object) -> dict[str, Any]:
    return {name: field for name, field in to_json(value).items() if name != "event"}

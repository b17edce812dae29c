"""`lreg cache`: images from the internet into the registry here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.admin.values import Wanted, WantedImages
from lreg.cli.bringing.command import bring, bring_options, chosen
from lreg.cli.options.access import Access, access_options
from lreg.cli.registries.completing import images
from lreg.errors import UsageError
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from lreg.cli.bringing.bring import Bringing
    from lreg.oci.platform import Platform


@click.command(
    epilog="Examples: lreg cache alpine:3.8 registry.k8s.io/pause:3.9; "
    "lreg cache --lock images.lock"
)
@click.argument("image", nargs=-1, shell_complete=images)
@click.option(
    "--lock", type=click.Path(path_type=Path), metavar="FILE", help="Bring what this file names."
)
@access_options
@bring_options
@click.pass_context
def command(
    ctx: click.Context,
    image: tuple[str, ...],
    *,
    lock: Path | None,
    platforms: tuple[Platform, ...],
    all_platforms: bool,
    referrers: bool,
    jobs: int,
    access: Access,
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
    of_index = chosen(platforms, every=all_platforms)
    if lock and of_index:
        raise UsageError("the lock file says which platforms: leave out --platform")
    names = dict.fromkeys(str(Reference.parse(text).familiar()) for text in image)
    named = tuple(Wanted(name, of_index) for name in names)
    work = _bring(WantedImages(named, jobs, referrers), lock, access, quiet=quiet)
    bring(ctx, work, quiet=quiet, as_json=as_json)


async def _bring(
    wanted: WantedImages, lock: Path | None, access: Access, *, quiet: bool
) -> Bringing:
    from lreg.cli.bringing.bring import Failure, by_copies, by_fills  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.bringing.missing import missing_locked, wanted_of  # noqa: PLC0415
    from lreg.cli.output.progress import shown  # noqa: PLC0415
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415
    from lreg.images.lock import read  # noqa: PLC0415

    locked = read(lock) if lock else ()
    async with Registries(access) as registries:
        admin = await registries.admin()
        hosts = admin.about.upstreams if admin else {one.reference.host for one in locked} - {None}
        own = [one for one in locked if one.reference.host not in hosts]
        if lock:
            images = wanted_of(one for one in locked if one not in own)
            wanted = WantedImages(images, wanted.jobs, wanted.referrers)
        lacking = await missing_locked(registries, own) if own else []
        with shown(quiet=quiet) as progress:
            if admin:
                found = await by_fills(admin, wanted, progress)
            else:
                found = await by_copies(registries, wanted, progress)
    why = "{}; no upstream has it, so it has to be pushed"
    found.failed += [Failure(one.image, why.format(one.why)) for one in lacking]
    return found

"""`lreg upload`: images out of engines and archives into the registry."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lreg.cli.carrying.copied import CopyResult, result_json, result_line
from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import json_option, quiet_option
from lreg.cli.output.text import print_json
from lreg.cli.registries.naming import Naming
from lreg.cli.registries.target import local_registry
from lreg.errors import UsageError
from lreg.images.engines import NAMES

if TYPE_CHECKING:
    from lreg.images.archive import ArchivedImage
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Reference


@click.command(
    epilog="Examples: lreg upload mine/app:1; lreg upload --from podman app:1 --as mine/app:1; "
    "lreg upload images.tar"
)
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.option(
    "--from",
    "engine",
    type=click.Choice(NAMES),
    help="Ask this engine alone.  [default: each that is here, in this order]",
)
@click.option("--strip-host", is_flag=True, help="Drop the host that a name begins with.")
@click.option("--include-host", is_flag=True, help="Keep it.  [default]")
@click.option("--as", "called", metavar="NAME", help="What the one image is to be called.")
@platform_option("Of an index in an archive take this image alone.")
@access_options
@quiet_option
@json_option
def command(
    refs: tuple[str, ...],
    *,
    engine: str | None,
    strip_host: bool,
    include_host: bool,
    called: str | None,
    platform: Platform | None,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Push images that lie on this machine to the registry here, under the names they have.

    REF is an image of Docker, podman or containerd, or an archive with any number of images: what
    `docker save` or `podman save` write, packed or not, or the folder of an OCI layout. What
    begins with / or . is always a path. Content that the registry has is not sent.
    """
    from lreg.images.held import held_images  # noqa: PLC0415 -- `--help` needs none of it

    if strip_host and include_host:
        raise UsageError("--strip-host and --include-host exclude each other")
    naming = Naming(called, strip_host=strip_host, own=local_registry().host)
    results = []
    for ref in refs:
        with held_images(ref, engine, platform) as (what, images):
            wanted = naming.targets(images)
            results += asyncio.run(_push(what, wanted, access, quiet=quiet))
    if as_json:
        print_json([result_json(result) for result in results])
    elif not quiet:
        for result in results:
            click.echo(result_line(result))


async def _push(
    what: str, wanted: list[tuple[ArchivedImage, Reference]], access: Access, *, quiet: bool
) -> list[CopyResult]:
    from lreg.cli.carrying.push import push_archived  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    results = []
    async with Registries(access) as registries:
        for image, name in wanted:
            begin = time.monotonic()
            target = replace(name, host=registries.local_host)
            copied = await push_archived(registries, image, target, quiet=quiet)
            results.append(CopyResult(what, target, copied, time.monotonic() - begin))
    return results

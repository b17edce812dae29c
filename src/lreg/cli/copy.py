"""`lreg copy`: an image from one registry to another."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lreg.cli.carrying.copied import CopyResult, result_json, result_line
from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import quiet_option
from lreg.cli.output.text import print_json
from lreg.cli.registries.completing import images
from lreg.errors import UsageError

if TYPE_CHECKING:
    from lreg.client.copy import Options
    from lreg.oci.platform import Platform


@click.command(epilog="Example: lreg copy mine/app:1 registry.example/team/app")
@click.argument("source", metavar="SRC", shell_complete=images)
@click.argument("target", metavar="DST", shell_complete=images)
@platform_option("Of an index copy this image alone.")
@click.option("--all-platforms", is_flag=True, help="Copy all of an index.  [default]")
@click.option("--referrers", is_flag=True, help="Copy signatures and other referrers too.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=4,
    metavar="COUNT",
    help="Blobs at a time, 1 to 64.  [default: 4]",
)
@access_options
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    source: str,
    target: str,
    *,
    platform: Platform | None,
    all_platforms: bool,
    referrers: bool,
    jobs: int,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Copy the image SRC to DST, byte for byte, so that its digest stays.

    SRC with a host is what the registry here has or fetches under that name, else that host's. DST
    with a host is in that registry, without in the one here; without a tag it gets that of SRC.
    What DST has already is not sent again; what another repository of its registry has is mounted.
    """
    if platform and all_platforms:
        raise UsageError("--platform and --all-platforms exclude each other")
    from lreg.client.copy import Options  # noqa: PLC0415 -- `--help` needs no client

    options = Options(platform=platform, referrers=referrers, parallel=jobs)
    result = asyncio.run(_copy(source, target, options, access, quiet=quiet))
    if as_json:
        print_json(result_json(result))
    elif not quiet:
        click.echo(result_line(result))


async def _copy(
    source_text: str, target_text: str, options: Options, access: Access, *, quiet: bool
) -> CopyResult:
    from lreg.cli.output.progress import shown  # noqa: PLC0415 -- `lreg copy --help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415
    from lreg.client.copy import copy_image  # noqa: PLC0415

    begin = time.monotonic()
    async with Registries(access) as registries:
        source = await registries.locate(source_text)
        target = registries.parse(target_text)
        if target.digest:
            raise UsageError(f"{target_text}: the digest is that of SRC; give a tag, or nothing")
        target = replace(target, tag=target.tag or source.tag)
        with shown(quiet=quiet) as progress:
            copied = await copy_image(
                await registries.repository(source),
                source.selector,
                await registries.repository(target),
                target.tag,
                options=options,
                progress=progress,
            )
    if target.tag is None:
        target = replace(target, digest=copied.root.digest)
    return CopyResult(source, target, copied, time.monotonic() - begin)

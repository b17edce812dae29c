"""`lreg save`: images in one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.pull import pull, pull_options

if TYPE_CHECKING:
    from lreg.cli.options.access import Access
    from lreg.oci.platform import Platform


@click.command(epilog="Example: lreg save -o images.tar mine/app:1 mine/db:2")
@click.option("--output", "-o", required=True, metavar="FILE", help="Where to; - is stdout.")
@pull_options("Of an index this image.  [default: all of it]")
def command(
    names: tuple[str, ...],
    *,
    output: str,
    platform: Platform | None,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write images to one archive, which docker, podman, ctr and skopeo load; so does `upload`.

    It is a tar of an OCI layout with Docker's manifest.json, the same bytes for the same images.
    """
    from lreg.cli.carrying.report import stdout_free  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.output.sink import write_to  # noqa: PLC0415
    from lreg.images.carrying import write_tar  # noqa: PLC0415

    stdout_free(output, as_json=as_json)
    pull(
        names,
        None,
        platform,
        access,
        lambda files: write_to(output, lambda file: write_tar(files, file)),
        quiet=quiet,
        as_json=as_json,
    )

"""`lreg pull`: images out of a registry into an engine, an archive or a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import json_option, quiet_option
from lreg.cli.registries.completing import images
from lreg.errors import UsageError
from lreg.images.engines import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.cli.carrying.report import Result
    from lreg.images.carrying import CarriedFile
    from lreg.oci.platform import Platform

    Write = Callable[[Iterator[CarriedFile]], None]

F = TypeVar("F", bound=Callable[..., Any])


def pull_options(platform_help: str) -> Callable[[F], F]:
    """Give a command IMAGEs and how to get them; it gets what `pull` takes.

    Args:
        platform_help: what --platform is.
    """
    options = (
        click.argument("names", metavar="IMAGE...", nargs=-1, required=True, shell_complete=images),
        platform_option(platform_help),
        access_options,
        quiet_option,
        json_option,
    )

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.command(
    epilog="Examples: lreg pull --to docker mine/app:1; lreg pull --to archive:app.tar mine/app:1"
)
@click.option(
    "--to",
    "target",
    required=True,
    metavar=f"{'|'.join(NAMES)}|archive:FILE|dir:FOLDER",
    help="Where to.",
)
@click.option("--as", "called", metavar="NAME", help="What the one image is to be called there.")
@pull_options("Of an index this image.  [default: engines: this machine's, else all of it]")
def command(
    names: tuple[str, ...],
    *,
    target: str,
    called: str | None,
    platform: Platform | None,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring images from a registry to what runs containers on this machine, or into a file.

    An IMAGE keeps its name, without the host of the registry here: what is cached there as
    docker.io/library/alpine is called so. An archive can be read by `docker load`, `podman load`,
    `ctr images import` and skopeo. To the OCI layout in a FOLDER images are added.
    """
    from lreg.cli.carrying.report import stdout_free  # noqa: PLC0415 -- `--help` needs no client
    from lreg.oci.platform import Platform  # noqa: PLC0415

    stdout_free(target.removeprefix("archive:"), as_json=as_json)
    write = _writer(target)
    if target in NAMES:
        platform = platform or Platform.here()
    pull(names, called, platform, access, write, quiet=quiet, as_json=as_json)


def pull(
    names: tuple[str, ...],
    called: str | None,
    platform: Platform | None,
    access: Access,
    write: Write,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Let `write` have images, under their names or as `called`, and say which."""
    from lreg.cli.carrying.report import report  # noqa: PLC0415 -- `--help` needs no client

    if called and len(names) != 1:
        raise UsageError(f"--as names one image, and there are {len(names)}")

    async def bring() -> Result:
        from lreg.cli.carrying.carry import carry  # noqa: PLC0415 -- `--help` needs no client
        from lreg.cli.carrying.names import named_image  # noqa: PLC0415
        from lreg.cli.registries.remote import Registries  # noqa: PLC0415

        async with Registries(access) as registries:
            wanted = [await named_image(registries, name, called) for name in names]
            return await carry(registries, wanted, platform, write, quiet=quiet)

    report(asyncio.run(bring()), quiet=quiet, as_json=as_json, to_stderr=True)


def _writer(target: str) -> Write:
    """Return what writes images to where `--to` says; raise UsageError, or LregError."""
    from lreg.cli.output.sink import write_to  # noqa: PLC0415
    from lreg.images.carrying import write_tar  # noqa: PLC0415
    from lreg.images.engines.choosing import engine  # noqa: PLC0415
    from lreg.images.layout import write_folder  # noqa: PLC0415

    kind, _, path = target.partition(":")
    if target in NAMES:
        chosen = engine(target)
        return lambda files: chosen.load(lambda file: write_tar(files, file))
    if kind == "archive" and path:
        return lambda files: write_to(path, lambda file: write_tar(files, file))
    if kind == "dir" and path:
        return lambda files: write_folder(files, Path(path))
    raise UsageError(f"--to {target}: give {', '.join(NAMES)}, archive:FILE or dir:FOLDER")

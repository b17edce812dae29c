"""`lreg pull`: images out of a registry into an engine, an archive or a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.cli.access import Access, access_options, platform_option
from lreg.cli.complete import images
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lreg.images.carrying import CarriedFile
    from lreg.oci.platform import Platform

    Write = Callable[[Iterator[CarriedFile]], None]

_ENGINES = ("docker", "podman", "containerd")


@click.command(
    epilog="Examples: lreg pull --to docker mine/app:1; lreg pull --to archive:app.tar mine/app:1"
)
@click.argument("names", metavar="IMAGE…", nargs=-1, required=True, shell_complete=images)
@click.option(
    "--to",
    "target",
    required=True,
    metavar="docker|podman|containerd|archive:FILE|dir:FOLDER",
    help="Where to.",
)
@click.option("--as", "called", metavar="NAME", help="What the one image is to be called there.")
@platform_option("Of an index this image.  [default: engines: this machine's, else all of it]")
@access_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def command(
    names: tuple[str, ...],
    *,
    target: str,
    called: str | None,
    platform: Platform | None,
    insecure: bool,
    ca: Path | None,
    quiet: bool,
) -> None:
    """Bring images from a registry to what runs containers on this machine, or into a file.

    An IMAGE without a host is one of the registry here, and keeps its name there: what is cached
    as docker.io/library/alpine is called so. An archive can be read by `docker load`, `podman
    load`, `ctr images import` and skopeo.
    """
    from lreg.oci.platform import Platform  # noqa: PLC0415

    write = _writer(target)
    if target in _ENGINES:
        platform = platform or Platform.here()
    asyncio.run(pull(names, called, platform, Access(insecure, ca), write, quiet=quiet))


async def pull(
    names: tuple[str, ...],
    called: str | None,
    platform: Platform | None,
    access: Access,
    write: Write,
    *,
    quiet: bool,
) -> None:
    """Let `write` have images, under their names or as `called`, and say on stderr which."""
    from lreg.cli.carry import carry  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.remote import Registries  # noqa: PLC0415
    from lreg.cli.wanted import as_named  # noqa: PLC0415

    if called and len(names) != 1:
        raise UsageError(f"--as names one image, and there are {len(names)}")
    async with Registries(access) as registries:
        wanted = [as_named(registries, name, called) for name in names]
        carried = await carry(registries, wanted, platform, write, quiet=quiet)
    if not quiet:
        for image in carried:
            click.echo(f"{' '.join(image.names)}  {image.root.digest}", err=True)


def _writer(target: str) -> Write:
    """Return what writes images to where `--to` says; raise UsageError, or LregError."""
    from lreg.cli.sink import write_to  # noqa: PLC0415
    from lreg.images.carrying import write_folder, write_tar  # noqa: PLC0415
    from lreg.images.engines import engine  # noqa: PLC0415

    kind, _, path = target.partition(":")
    if target in _ENGINES:
        chosen = engine(target)
        return lambda files: chosen.load(lambda file: write_tar(files, file))
    if kind == "archive" and path:
        return lambda files: write_to(path, lambda file: write_tar(files, file))
    if kind == "dir" and path:
        return lambda files: write_folder(files, Path(path))
    raise UsageError(f"--to {target}: give docker, podman, containerd, archive:FILE or dir:FOLDER")

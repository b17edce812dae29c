"""`lreg bundle`: images in one file, across an air gap."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.cli.access import Access, access_options, platform_option
from lreg.cli.complete import images
from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.cli.carry import Wanted
    from lreg.cli.remote import Registries
    from lreg.images.bundle import Bundle
    from lreg.images.carrying import CarriedFile
    from lreg.oci.digest import Digest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import RepositoryName

_PIECE = 1 << 20


@click.group()
def command() -> None:
    """Carry images in one file: an OCI layout in a tar, packed by zstd."""


@command.command(
    epilog="Examples: lreg bundle create -o site.bundle ./manifests alpine:3.20; "
    "lreg bundle create -o - --lock images.lock | ssh site lreg bundle load -"
)
@click.argument("names", metavar="IMAGE|PATH…", nargs=-1, shell_complete=images)
@click.option("--output", "-o", required=True, metavar="FILE", help="Where to; - is stdout.")
@click.option(
    "--lock",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Also what this lock file names.",
)
@click.option(
    "--since",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="BUNDLE",
    help="Leave out what this earlier bundle brought there.",
)
@platform_option("Of an index this image.  [default: this machine's]")
@click.option("--all-platforms", is_flag=True, help="Of an index every image.")
@access_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def create(
    names: tuple[str, ...],
    *,
    output: str,
    lock: Path | None,
    since: Path | None,
    platform: Platform | None,
    all_platforms: bool,
    insecure: bool,
    ca: Path | None,
    quiet: bool,
) -> None:
    """Write a bundle of images, those that the registry here has under these names.

    A PATH is a file or folder of manifests as for `lreg images`: the images that they need.
    """
    if platform and all_platforms:
        raise UsageError("--platform and --all-platforms exclude each other")
    if not names and not lock:
        raise UsageError("name images, or files or folders that need some, or a --lock FILE")
    from lreg.oci.platform import Platform  # noqa: PLC0415

    of_index = None if all_platforms else platform or Platform.here()
    asyncio.run(
        _create(names, lock, since, of_index, Access(insecure, ca), output=output, quiet=quiet)
    )


async def _create(
    names: tuple[str, ...],
    lock: Path | None,
    since: Path | None,
    platform: Platform | None,
    access: Access,
    *,
    output: str,
    quiet: bool,
) -> None:
    from lreg.cli.carry import carry  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.remote import Registries  # noqa: PLC0415
    from lreg.cli.sink import write_to  # noqa: PLC0415

    def write(files: Iterator[CarriedFile]) -> None:
        from lreg.images.bundle import write_bundle  # noqa: PLC0415

        write_to(output, lambda file: write_bundle(files, file))

    async with Registries(access) as registries:
        wanted = list(dict.fromkeys(_wanted(registries, names, lock)))
        carried = await carry(
            registries,
            wanted,
            platform,
            write,
            since=_brought(since) if since else None,
            quiet=quiet,
        )
    if not quiet:
        for image in carried:
            click.echo(f"{' '.join(image.names)}  {image.root.digest}", err=True)


def _wanted(registries: Registries, names: tuple[str, ...], lock: Path | None) -> Iterator[Wanted]:
    """Yield what is to be bundled; raise UsageError where a path has no images."""
    from lreg.cli.needs import look  # noqa: PLC0415
    from lreg.cli.wanted import as_cached  # noqa: PLC0415
    from lreg.images import lock as locks  # noqa: PLC0415
    from lreg.images.finding.sources import Sources  # noqa: PLC0415

    for name in names:
        if name.startswith(("/", ".")) or os.path.exists(name):
            needs, _ = look(Sources((name,)), only_sure=True)
            if not needs:
                raise UsageError(f"{name} needs no images: see `lreg images {name}`")
            yield from (as_cached(registries, need.image) for need in needs)
        else:
            yield as_cached(registries, name)
    for locked in locks.read(lock) if lock else ():
        yield as_cached(registries, str(locked.reference))


def _brought(path: Path) -> dict[Digest, RepositoryName]:
    """Return the blobs that are where an earlier bundle went, each with its repository there."""
    from lreg.cli.naming import repository_of  # noqa: PLC0415

    with _opened(str(path)) as bundle:
        return {
            blob.digest: repository_of(name)
            for image in bundle.images
            for name in image.names
            for manifest in image.manifests
            for blob in manifest.blobs
        }


@command.command(epilog="Example: lreg bundle load site.bundle")
@click.argument("file", metavar="FILE")
@access_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def load(*, file: str, insecure: bool, ca: Path | None, quiet: bool) -> None:
    """Push all images of a bundle to the registry here, under the names they had.

    FILE may be - for stdin. What the registry has is not sent: a load that broke off goes on where
    it was. Every digest is verified.
    """
    from lreg.cli.loading import load_bundle  # noqa: PLC0415 -- `--help` needs no client

    with _opened(file) as bundle:
        loaded = asyncio.run(load_bundle(bundle, Access(insecure, ca), quiet=quiet))
    if not quiet:
        for line in loaded:
            click.echo(line)


@contextmanager
def _opened(path: str) -> Iterator[Bundle]:
    """Give a bundle, read as far as its first blob; what is wrong with it is said of its path."""
    from lreg.images.bundle import read_bundle  # noqa: PLC0415

    # A file with a buffer could not be closed while a thread waits for what comes next.
    stdin = path == "-"
    if stdin and sys.stdin is None:
        raise UsageError("stdin is closed: give a FILE, or the bundle on stdin")
    with open(0 if stdin else path, "rb", buffering=0, closefd=not stdin) as file:
        try:
            bundle = read_bundle(iter(lambda: file.read(_PIECE), b""))
        except LregError as error:
            raise UsageError(f"{path}: {error}") from error
        yield bundle

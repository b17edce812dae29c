"""`lreg bundle`: images in one file, across an air gap."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import json_option, quiet_option
from lreg.cli.registries.completing import images
from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.cli.carrying.report import Result
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
@click.argument("names", metavar="IMAGE|PATH...", nargs=-1, shell_complete=images)
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
@quiet_option
@json_option
def create(
    names: tuple[str, ...],
    *,
    output: str,
    lock: Path | None,
    since: Path | None,
    platform: Platform | None,
    all_platforms: bool,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a bundle of images, as nodes get them by these names.

    A PATH is a file or folder of manifests as for `lreg images`: the images that they need.
    """
    if platform and all_platforms:
        raise UsageError("--platform and --all-platforms exclude each other")
    if not names and not lock:
        raise UsageError("name images, or files or folders that need some, or a --lock FILE")
    from lreg.cli.carrying.report import report, stdout_free  # noqa: PLC0415 -- `--help` needs no client
    from lreg.oci.platform import Platform  # noqa: PLC0415

    stdout_free(output, as_json=as_json)
    of_index = None if all_platforms else platform or Platform.here()
    result = asyncio.run(_create(names, lock, since, of_index, access, output=output, quiet=quiet))
    report(result, quiet=quiet, as_json=as_json, to_stderr=True)


async def _create(
    names: tuple[str, ...],
    lock: Path | None,
    since: Path | None,
    platform: Platform | None,
    access: Access,
    *,
    output: str,
    quiet: bool,
) -> Result:
    from lreg.cli.carrying.carry import carry  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.carrying.names import named_image  # noqa: PLC0415
    from lreg.cli.output.sink import write_to  # noqa: PLC0415
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    def write(files: Iterator[CarriedFile]) -> None:
        from lreg.images.bundle import write_bundle  # noqa: PLC0415

        write_to(output, lambda file: write_bundle(files, file))

    async with Registries(access) as registries:
        named = dict.fromkeys(_named(names, lock))
        return await carry(
            registries,
            list(dict.fromkeys([await named_image(registries, text) for text in named])),
            platform,
            write,
            since=_brought(since) if since else None,
            for_bundle=True,
            quiet=quiet,
        )


def _named(names: tuple[str, ...], lock: Path | None) -> Iterator[str]:
    """Yield the names of what is to be bundled; raise UsageError where a path has no images."""
    from lreg.cli.options.sources import look  # noqa: PLC0415
    from lreg.images import lock as locks  # noqa: PLC0415
    from lreg.images.finding.sources import Sources  # noqa: PLC0415

    for name in names:
        if name.startswith(("/", ".")) or os.path.exists(name):
            needs, _ = look(Sources((name,)), only_sure=True)
            if not needs:
                raise UsageError(f"{name} needs no images: see `lreg images {name}`")
            yield from (need.image for need in needs)
        else:
            yield name
    yield from (str(locked.reference) for locked in (locks.read(lock) if lock else ()))


def _brought(path: Path) -> dict[Digest, RepositoryName]:
    """Return the blobs that are where an earlier bundle went, each with its repository there."""
    from lreg.cli.registries.naming import repository_of  # noqa: PLC0415

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
@quiet_option
@json_option
def load(*, file: str, access: Access, quiet: bool, as_json: bool) -> None:
    """Bring all images of a bundle into the registry here, under the names they had.

    FILE may be - for stdin. What the registry has is not sent: a load that broke off goes on where
    it was. Every digest is verified. What was cached where the bundle was made is cached here.
    """
    from lreg.cli.carrying.load import load_bundle  # noqa: PLC0415
    from lreg.cli.carrying.report import report  # noqa: PLC0415 -- `--help` needs no client

    with _opened(file) as bundle:
        result = asyncio.run(load_bundle(bundle, file, access, quiet=quiet))
    report(result, quiet=quiet, as_json=as_json, to_stderr=False)


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

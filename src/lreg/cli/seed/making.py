"""`images mkimage` and `make`: overlays' images, built and carried."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.cli.registries.target import local_registry
from lreg.cli.seed.here import in_docker, local, locate, lreg
from lreg.errors import LregError, UsageError
from lreg.oci.reference import is_host

if TYPE_CHECKING:
    from lreg.cli.seed.words import Given

_FOLDER = "image"


def mkimage(given: Given) -> int:
    """Build the image of a folder, and print its tag."""
    folder = Path(given.operands[0])
    manifest = given.options.get("manifest", "")
    tag = given.options.get("tag", "") or _named(folder, manifest)
    build = ["build", "--quiet", *([f"--manifest={manifest}"] if manifest else [])]
    if given.has("upload"):
        name = _without_host(tag) if given.has("strip-host") else tag
        code = _quietly(*build, "--push", f"--tag={_here(name)}", str(folder))
    else:
        code = _into_docker(build, tag, folder)
    if not code:
        click.echo(tag)
    return code


def make(given: Given) -> int:
    """Write images into a file: those that are named, and those of overlays."""
    target = given.options.get("tar") or _default_tar()
    names = [item if ":" in item else _built(item) for item in given.operands]
    for name in names:
        if lreg("has", name) and (code := _brought(name)):
            return code
    return lreg("save", f"--output={target}", *map(local, names))


def _brought(name: str) -> int:
    """Have the registry here take an image from Docker, or the internet; return the exit code."""
    return _quietly("upload", f"--as={name}", name) if in_docker(name) else _quietly("cache", name)


def _built(item: str) -> str:
    """Build and push the image of an overlay; return its tag."""
    overlay, _, inside = item.partition("/")
    folder = locate(overlay) / (inside or _FOLDER)
    tag = _named(folder, "")
    if _quietly("build", "--quiet", "--push", f"--tag={_here(tag)}", str(folder)):
        raise LregError(f"{item}: its image can't be built")
    return tag


def _named(folder: Path, manifest: str) -> str:
    """Return the tag that a folder's manifest.json says.

    Raises:
        UsageError: it has a Dockerfile, which names no tag, or no good manifest.json.
    """
    from lreg.images.building.xcluster import Overlay  # noqa: PLC0415 -- the help needs none of it

    if (folder / "Dockerfile").exists():
        raise UsageError(f"{folder} has a Dockerfile: say what the image is called by --tag=")
    return str(Overlay.read(Path(manifest) if manifest else folder / "manifest.json").name)


def _here(tag: str) -> str:
    """Return the name in the registry here that keeps all of a tag, its host too."""
    own = local_registry().host
    return tag if tag.startswith(f"{own}/") else f"{own}/{tag}"


def _without_host(tag: str) -> str:
    first, _, rest = tag.partition("/")
    return rest if rest and is_host(first) else tag


def _quietly(*arguments: str) -> int:
    # stdout is for the tag.
    with redirect_stdout(sys.stderr):
        return lreg(*arguments)


def _into_docker(build: list[str], tag: str, folder: Path) -> int:
    """Build an image and have Docker take it; return the exit code."""
    from lreg.cli.seed.docker import load  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="images-") as scratch:
        archive = Path(scratch) / "image.tar"
        if code := _quietly(*build, f"--output={archive}", f"--tag={tag}", str(folder)):
            return code
        load(archive, tag)
    return 0


def _default_tar() -> str:
    folder = os.environ.get("XCLUSTER_TMP")
    if not folder:
        raise UsageError("say where to: --tar=FILE, or set $XCLUSTER_TMP")
    return str(Path(folder) / "images.tar")

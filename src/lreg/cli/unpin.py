"""`lreg unpin`: images that may be evicted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.access import Access, access_options
from lreg.cli.complete import images
from lreg.cli.pinning import set_pinned

if TYPE_CHECKING:
    from pathlib import Path


@click.command(epilog="Example: lreg unpin 'registry.k8s.io/*'")
@click.argument("image", nargs=-1, required=True, shell_complete=images)
@access_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(image: tuple[str, ...], *, insecure: bool, ca: Path | None, as_json: bool) -> None:
    """Let each IMAGE be evicted again when the cache is full.

    IMAGE is the name of an image that is here, or a glob over HOST/REPOSITORY:TAG.
    """
    set_pinned(image, Access(insecure, ca), pinned=False, as_json=as_json)

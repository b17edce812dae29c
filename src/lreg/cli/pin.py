"""`lreg pin`: images that are kept, whatever becomes of them elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json
from lreg.cli.registries.asking import ask_lreg
from lreg.cli.registries.completing import images

if TYPE_CHECKING:
    from lreg.client.admin import Admin


def pin_command(text: str, example: str, *, pinned: bool) -> click.Command:
    """Return the command that pins images, or unpins them.

    Args:
        text: what its help says first.
        example: what it says last.
        pinned: which of the two.
    """

    @click.command(
        help=f"{text}\n\nIMAGE is the name of an image that is here, or a glob over "
        "HOST/REPOSITORY:TAG.",
        epilog=f"Example: {example}",
    )
    @click.argument("image", nargs=-1, required=True, shell_complete=images)
    @access_options
    @json_option
    def command(image: tuple[str, ...], *, access: Access, as_json: bool) -> None:
        async def ask(admin: Admin) -> list[str]:
            found = [await admin.pin(pattern, pinned=pinned) for pattern in image]
            return list(dict.fromkeys(name for touched in found for name in touched.images))

        names = ask_lreg(access, ask)
        if as_json:
            print_json({"images": names})
            return
        for name in names:
            click.echo(f"{'pinned' if pinned else 'unpinned'} {name}")

    return command


command = pin_command(
    "Keep each IMAGE: from being evicted when the cache is full, and when upstream deletes it.",
    "lreg pin alpine:3.8 'registry.k8s.io/*'",
    pinned=True,
)

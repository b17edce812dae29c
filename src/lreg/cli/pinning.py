"""What `lreg pin` and `lreg unpin` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.access import Access, access_options
from lreg.cli.asking import ask_lreg
from lreg.cli.complete import images
from lreg.cli.output import print_json

if TYPE_CHECKING:
    from pathlib import Path

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
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def command(image: tuple[str, ...], *, insecure: bool, ca: Path | None, as_json: bool) -> None:
        async def ask(admin: Admin) -> list[str]:
            found = [await admin.pin(pattern, pinned=pinned) for pattern in image]
            return list(dict.fromkeys(name for touched in found for name in touched.images))

        names = ask_lreg(Access(insecure, ca), ask)
        if as_json:
            print_json({"images": names})
            return
        for name in names:
            click.echo(f"{'pinned' if pinned else 'unpinned'} {name}")

    return command

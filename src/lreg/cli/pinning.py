"""What `lreg pin` and `lreg unpin` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.asking import ask_lreg
from lreg.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.cli.access import Access
    from lreg.client.admin import Admin


def set_pinned(patterns: Sequence[str], access: Access, *, pinned: bool, as_json: bool) -> None:
    """Pin or unpin what the patterns mean and print the images, one a line."""

    async def ask(admin: Admin) -> list[str]:
        found = [await admin.pin(pattern, pinned=pinned) for pattern in patterns]
        return list(dict.fromkeys(image for touched in found for image in touched.images))

    images = ask_lreg(access, ask)
    if as_json:
        print_json({"images": images})
        return
    for image in images:
        click.echo(f"{'pinned' if pinned else 'unpinned'} {image}")

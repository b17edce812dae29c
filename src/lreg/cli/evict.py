"""`lreg evict`: cached content off the disk."""

from __future__ import annotations

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import human_size, print_json
from lreg.cli.registries.asking import ask_lreg
from lreg.cli.registries.completing import images


@click.command(epilog="Example: lreg evict 'quay.io/*'")
@click.argument("pattern", shell_complete=images)
@access_options
@json_option
def command(pattern: str, *, access: Access, as_json: bool) -> None:
    """Drop the content of the cached images that match PATTERN.

    PATTERN is an image, or a glob over HOST/REPOSITORY:TAG. The names stay: what is asked for again
    is fetched again. What was pushed or pinned stays whole, and so does what other images use.
    """
    found = ask_lreg(access, lambda admin: admin.evict(pattern))
    if as_json:
        print_json({"images": found.images, "freed": found.freed})
        return
    for image in found.images:
        click.echo(f"evicted {image}")
    click.echo(f"{human_size(found.freed)} freed")

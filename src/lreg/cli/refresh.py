"""`lreg refresh`: what upstream's tags mean now."""

from __future__ import annotations

import click

from lreg.admin.codec import to_json
from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json
from lreg.cli.registries.asking import ask_lreg
from lreg.cli.registries.completing import images
from lreg.errors import Unavailable


@click.command(epilog="Example: lreg refresh 'docker.io/library/*:latest'")
@click.argument("pattern", default="", shell_complete=images)
@access_options
@json_option
@click.pass_context
def command(ctx: click.Context, pattern: str, *, access: Access, as_json: bool) -> None:
    """Ask upstream now what the cached tags mean that match PATTERN, or all of them.

    PATTERN is an image, or a glob over HOST/REPOSITORY:TAG. What moved is fetched when it is asked
    for. The exit code is 6 if an upstream did not answer.
    """
    found = ask_lreg(access, lambda admin: admin.refresh(pattern))
    if as_json:
        print_json(to_json(found))
    else:
        for image in found.moved:
            click.echo(f"moved {image}")
        click.echo(f"{len(found.moved)} moved, {found.same} as before, {len(found.failed)} failed")
    for trouble in found.failed:
        click.echo(f"lreg: {trouble.image}: {trouble.why}", err=True)
    if found.failed:
        ctx.exit(Unavailable.exit_code)

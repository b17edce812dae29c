"""`lreg upstream`: the registries on the internet that this one caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.admin.codec import to_json
from lreg.admin.values import Upstreams
from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import columns, print_json
from lreg.cli.registries.asking import ask_lreg
from lreg.cli.registries.completing import upstreams
from lreg.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.admin.values import UpstreamState

_FAILING = {"unreachable", "refusing"}


@click.group()
def command() -> None:
    """Show the registries on the internet whose images are cached, and how they are."""


@command.command(epilog="Example: lreg upstream ls")
@access_options
@json_option
def ls(*, access: Access, as_json: bool) -> None:
    """List the upstreams as they were when they were last asked for something.

    QUOTA is how many pulls are left, where the upstream tells (Docker Hub does).
    """
    _print(ask_lreg(access, lambda admin: admin.upstreams()), as_json=as_json)


@command.command(epilog="Example: lreg upstream check docker.io")
@click.argument("host", default="", shell_complete=upstreams)
@access_options
@json_option
@click.pass_context
def check(ctx: click.Context, host: str, *, access: Access, as_json: bool) -> None:
    """Ask each upstream now how it is, or HOST alone; this costs no pull.

    The exit code is 6 if one can't be reached or refuses.
    """
    found = ask_lreg(access, lambda admin: admin.check(host))
    _print(found, as_json=as_json)
    if any(one.state in _FAILING for one in found):
        ctx.exit(Unavailable.exit_code)


def _print(found: Sequence[UpstreamState], *, as_json: bool) -> None:
    if as_json:
        print_json(to_json(Upstreams(tuple(found)))["upstreams"])
        return
    head = ("UPSTREAM", "STATE", "LATENCY", "QUOTA", "CREDENTIALS", "")
    for line in columns([head, *map(_row, found)]):
        click.echo(line)


def _row(one: UpstreamState) -> tuple[str, ...]:
    quota = "-" if one.remaining is None else str(one.remaining)
    if one.remaining is not None and one.limit is not None:
        quota += f" of {one.limit}"
    notes = (
        one.reason,
        f"at {one.address}" if one.address else "",
        f"for {one.readers} readers" if one.readers != "all" else "",
    )
    latency = "-" if one.latency is None else f"{one.latency * 1000:.0f} ms"
    credentials = one.credentials or "anonymous"
    return one.host, one.state, latency, quota, credentials, "; ".join(filter(None, notes))

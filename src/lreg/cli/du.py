"""`lreg du`: what the images take on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.admin.codec import to_json
from lreg.cli.options.access import Access, access_options
from lreg.cli.output.text import columns, human_size, print_json
from lreg.cli.registries.asking import ask_lreg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.admin.values import Share, Usage


@click.command(epilog="Example: lreg du --json | jq .total")
@access_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, sizes in bytes.")
def command(*, access: Access, as_json: bool) -> None:
    """Say what the images take on the registry's disk: by origin, upstream and repository.

    What several hold is on the disk once and counted once in each line; SHARED is how much of a
    line others of its list hold as well. Names of the registry's own are under "-".
    """
    usage = ask_lreg(access, lambda admin: admin.usage())
    if as_json:
        print_json(to_json(usage))
        return
    for line in _lines(usage):
        click.echo(line)


def _lines(usage: Usage) -> list[str]:
    total = f"{human_size(usage.total)} in all"
    if usage.limit:
        cached = sum(one.size for one in usage.origins if one.name != "pushed")
        total += f"; {human_size(cached)} of the {human_size(usage.limit)} of cache-size are used"
    return [
        total,
        *_table("ORIGIN", usage.origins),
        *_table("UPSTREAM", usage.upstreams),
        *_table("REPOSITORY", usage.repositories),
    ]


def _table(title: str, shares: Sequence[Share]) -> list[str]:
    if not shares:
        return []
    rows = [
        (one.name or "-", human_size(one.size), human_size(one.shared))
        for one in sorted(shares, key=lambda share: -share.size)
    ]
    return ["", *columns([(title, "SIZE", "SHARED"), *rows])]

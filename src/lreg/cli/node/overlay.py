"""`lreg node overlay`: the files of nodes as one tar, to be unpacked on `/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.node.planning import plan_options
from lreg.cli.output.sink import write_to
from lreg.errors import UsageError
from lreg.node.overlay import overlay
from lreg.node.runtimes import files_for, runtime_named

if TYPE_CHECKING:
    from lreg.node.plan import NodePlan


@click.command(
    epilog="Examples: lreg node overlay -o lreg.tar; lreg node overlay --runtime containerd "
    "--mechanism spoof-http | tar -x -O etc/hosts"
)
@click.option(
    "--runtime",
    metavar="NAMES",
    default="crio,containerd,podman",
    show_default=True,
    help="The runtimes on the nodes, with commas between them.",
)
@plan_options
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    default="-",
    show_default=True,
    help="Where to; - is stdout.",
)
def command(plan: NodePlan, *, runtime: str, output: str) -> None:
    """Write a tar of the files that make nodes pull from lreg, to be unpacked on `/`.

    For nodes whose root is made of overlays, as in xcluster, and for image builders; a file that
    is there already is replaced. The same plan gives the same bytes. A node that lives is changed
    by `lreg node apply`.
    """
    names = [name.strip() for name in runtime.split(",")]
    if plan.version and len(names) > 1:
        raise UsageError("--for-version is of one runtime: name which by --runtime")
    for name in names:
        if not runtime_named(name).on_node:
            raise UsageError(
                f"{name}: its files are not for nodes themselves: see `lreg node emit {name}`"
            )
    made = overlay(file for name in names for file in files_for(name, plan))
    write_to(output, lambda file: file.write(made))

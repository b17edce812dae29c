"""`lreg node apply`: this node's runtime is told to pull from lreg."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lreg.cli.node import changing
from lreg.cli.node.planning import plan_options
from lreg.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.plan import NodePlan


@click.command(
    epilog="Examples: lreg node apply containerd --registry 10.0.0.1:5000 --dry-run; "
    "lreg node apply docker --upstream docker.io --reload"
)
@click.argument("runtime")
@plan_options
@changing.node_options
@click.option("--reload", is_flag=True, help="Have the runtime heed its files: may restart it.")
@click.option("--json", "as_json", is_flag=True, help="Print what is changed as JSON.")
def command(
    plan: NodePlan, *, runtime: str, root: Path, dry_run: bool, reload: bool, as_json: bool
) -> None:
    """Change the files of this node so that RUNTIME pulls from lreg; print the diff.

    What is in the files stays, with its comments. Applied again, nothing changes; with another
    plan, the new one stands in place of the old. `lreg node undo` brings back what was there.

    Without --for-version the files are for the version of RUNTIME that is installed here.

    Only with --reload is the runtime restarted, or told to read its files; else the command for
    that is printed.
    """
    from lreg.node import record  # noqa: PLC0415 -- `--help` needs none of it
    from lreg.node.apply import apply, planned  # noqa: PLC0415
    from lreg.node.installed import installed_version  # noqa: PLC0415
    from lreg.node.rooted import Root  # noqa: PLC0415
    from lreg.node.runtimes import files_for, runtime_named  # noqa: PLC0415

    if reload:
        changing.check_reload(root)
    kind = runtime_named(runtime)
    if not kind.on_node:
        raise UsageError(
            f"{kind.title} takes its files where nodes are made: use `lreg node emit {runtime}`"
        )
    if not plan.version and str(root) == "/":
        plan = replace(plan, version=installed_version(runtime))
    applied = record.Applied(plan, files_for(runtime, plan))
    node = Root(root)
    if dry_run:
        prepared = planned(node, runtime, applied)
        changing.show(prepared, node, as_json=as_json)
    else:
        prepared = apply(
            node, runtime, applied, lambda found: changing.show(found, node, as_json=as_json)
        )
    first = prepared.old.runtimes.get(runtime) in (None, applied)
    enough = kind.reload.get(plan.mechanism, ()) if first else None
    commands = changing.commands_after(prepared, [kind], enough)
    if reload and not dry_run:
        changing.run_reload(commands)
    if as_json:
        changing.report(prepared, node, commands, done=not dry_run, reloaded=reload)
    elif not prepared.changes:
        click.echo("lreg: nothing to change", err=True)
    elif not (reload or dry_run):
        changing.say_reload(commands)

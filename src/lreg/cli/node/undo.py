"""`lreg node undo`: what was applied to this node is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.node import changing

if TYPE_CHECKING:
    from pathlib import Path


@click.command(epilog="Examples: lreg node undo --dry-run; lreg node undo docker --reload")
@click.argument("runtime", required=False)
@changing.node_options
@click.option("--reload", is_flag=True, help="Have the runtimes heed their files: may restart.")
@click.option(
    "--force", is_flag=True, help="Put back what was there before, even where edits are lost."
)
@click.option("--json", "as_json", is_flag=True, help="Print what is changed as JSON.")
def command(
    runtime: str | None, *, root: Path, dry_run: bool, reload: bool, force: bool, as_json: bool
) -> None:
    """Bring back what was there before `lreg node apply`, byte for byte; print the diff.

    With RUNTIME only what was applied for that one. What was edited since stays: only what lreg
    wrote is taken out, and where the two can't be told apart nothing is changed. Files and folders
    that were not there go.
    """
    from lreg.node.rooted import Root  # noqa: PLC0415 -- `--help` needs none of it
    from lreg.node.runtimes import RUNTIMES  # noqa: PLC0415
    from lreg.node.undo import planned, undo  # noqa: PLC0415

    if reload:
        changing.check_reload(root)
    node = Root(root)
    if dry_run:
        prepared = planned(node, runtime, force=force)
        changing.show(prepared, node, as_json=as_json)
    else:
        prepared = undo(
            node, runtime, lambda found: changing.show(found, node, as_json=as_json), force=force
        )
    gone = set(prepared.old.runtimes) - set(prepared.new.runtimes)
    kinds = [kind for name, kind in RUNTIMES.items() if name in gone]
    commands = changing.commands_after(prepared, kinds, None)
    if reload and not dry_run:
        changing.run_reload(commands)
    if as_json:
        changing.report(prepared, node, commands, done=not dry_run, reloaded=reload)
    elif not prepared.old.runtimes:
        click.echo("lreg: nothing was applied here", err=True)
    elif not (reload or dry_run):
        changing.say_reload(commands)

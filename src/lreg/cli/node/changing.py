"""What `lreg node apply` and `undo` have in common: what they show, what they run."""

from __future__ import annotations

import difflib
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lreg.cli.output.text import print_json
from lreg.errors import LregError, UsageError
from lreg.node.system_ca import commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lreg.node.placing import Change
    from lreg.node.preparing import Prepared
    from lreg.node.rooted import Root
    from lreg.node.runtime import Runtime

Commands = tuple[tuple[str, ...], ...]
F = TypeVar("F", bound=Callable[..., Any])


def node_options(function: F) -> F:
    """Give a command `--root`, as `root`, and `--dry-run`."""
    root = click.option(
        "--root",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        default="/",
        show_default=True,
        help="The node's root folder.",
    )
    dry_run = click.option("--dry-run", is_flag=True, help="Show the changes and make none.")
    return root(dry_run(function))


def show(prepared: Prepared, root: Root, *, as_json: bool) -> None:
    """Print the changes as one unified diff, and on stderr what else a person should know."""
    if not as_json:
        for change in prepared.changes:
            click.echo("".join(_diff(change, root)), nl=False)
    for note in prepared.notes:
        click.echo(f"lreg: {note}", err=True)


def report(prepared: Prepared, root: Root, needed: Commands, *, done: bool, reloaded: bool) -> None:
    """Print as JSON what was changed, or would be."""
    print_json(
        {
            "root": root.folder,
            "done": done,
            "changes": [_as_json(change, root) for change in prepared.changes],
            "notes": prepared.notes,
            "reload": [list(command) for command in needed],
            "reloaded": reloaded,
        }
    )


def check_reload(root: Path) -> None:
    """Raise UsageError where a node's runtime is not this machine's."""
    if str(root) != "/":
        raise UsageError("--reload is for the machine itself: leave --root or --reload out")


def commands_after(
    prepared: Prepared, runtimes: Iterable[Runtime], reload: Commands | None
) -> Commands:
    """Return what has to be run for the changes to be heeded; nothing where there are none.

    Args:
        prepared: the changes.
        runtimes: whose files they are.
        reload: what is enough where nothing was taken back; None: something was.
    """
    if not prepared.changes:
        return ()
    trust = commands(change.path for change in prepared.changes)
    restart = tuple(words for runtime in runtimes for words in runtime.restart)
    heeded = restart if trust or reload is None else reload
    return tuple(dict.fromkeys((*trust, *heeded)))


def run_reload(needed: Commands) -> None:
    """Run the commands after which a runtime heeds its files; raise LregError."""
    for command in needed:
        words = shlex.join(command)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise LregError(f"the files are changed, but `{words}`: {error.strerror}") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise LregError(
                f"the files are changed, but `{words}` failed ({said[-1]}): mend that, run it again"
            )


def say_reload(needed: Commands) -> None:
    """Say on stderr which commands are still to be run."""
    if needed:
        words = " && ".join(shlex.join(command) for command in needed)
        click.echo(f"lreg: for it to be heeded, run: {words}", err=True)


def _diff(change: Change, root: Root) -> Iterator[str]:
    name = root.absolute(change.path)
    lines = difflib.unified_diff(
        _lines(change.before),
        _lines(change.after),
        "/dev/null" if change.before is None else name,
        "/dev/null" if change.after is None else name,
    )
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(content: bytes | None) -> Sequence[str]:
    return (content or b"").decode(errors="replace").splitlines(keepends=True)


def _as_json(change: Change, root: Root) -> dict[str, Any]:
    action = "change"
    if change.before is None:
        action = "create"
    elif change.after is None:
        action = "remove"
    return {
        "path": root.absolute(change.path),
        "action": action,
        "diff": "".join(_diff(change, root)),
    }

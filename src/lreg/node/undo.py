"""What was applied to a node, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.apply import changing, commit
from lreg.node.preparing import Prepared, prepare
from lreg.node.record import FOLDER, Record, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.node.rooted import Root


def undo(
    root: Root, name: str | None, shown: Callable[[Prepared], None], *, force: bool = False
) -> Prepared:
    """Bring a node's files back to what they were before lreg came.

    What their owner changed since stays; files and folders that were not there go.

    Args:
        root: the node's.
        name: of the only runtime to be told nothing any more; None: of all.
        shown: is called with what is going to be done.
        force: put back what was there before even where that loses edits.

    Returns:
        What was done.

    Raises:
        UsageError: nothing was applied for that runtime.
        LregError: it can't be done, and nothing has changed; or a file was edited where lreg had
            written.
    """
    if not root.exists(FOLDER):
        return planned(root, name, force=force)
    with changing(root) as old:
        prepared = _prepared(root, old, name, force=force)
        shown(prepared)
        commit(root, prepared)
    return prepared


def planned(root: Root, name: str | None, *, force: bool = False) -> Prepared:
    """Return what `undo` would do; see there."""
    return _prepared(root, load(root), name, force=force)


def _prepared(root: Root, old: Record, name: str | None, *, force: bool) -> Prepared:
    if name is not None and name not in old.runtimes:
        known = ", ".join(old.runtimes) or "nothing"
        raise UsageError(f"nothing was applied for {name} here: {known} was")
    left = {each: applied for each, applied in old.runtimes.items() if name not in (None, each)}
    return prepare(root, old, left, force=force)

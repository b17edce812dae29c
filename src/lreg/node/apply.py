"""A node's own files, changed so that its runtimes ask lreg, and changed back."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.node import placing, record
from lreg.node.overruled import obstacles
from lreg.node.placing import Change
from lreg.node.preparing import prepare
from lreg.node.record import FOLDER, ORIGINALS, STATE, Kept, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lreg.node.preparing import Prepared
    from lreg.node.record import Applied
    from lreg.node.rooted import Root


def apply(root: Root, name: str, applied: Applied, shown: Callable[[Prepared], None]) -> Prepared:
    """Change a node so that a runtime is told a plan, in place of what it was told before.

    All files are computed before the first is written, and what was there is kept before that: a
    process that is killed at any moment leaves a node that `undo` brings back.

    Args:
        root: the node's.
        name: of the runtime.
        applied: the plan and its files, as they would be on an empty node.
        shown: is called with what is going to be done.

    Returns:
        What was done.

    Raises:
        LregError: it can't be done, or would do nothing, and nothing has changed; or only `undo`
            can help, and it says so.
    """
    with changing(root) as old:
        prepared = _prepared(root, old, name, applied)
        shown(prepared)
        commit(root, prepared)
    return prepared


def planned(root: Root, name: str, applied: Applied) -> Prepared:
    """Return what `apply` would do; see there."""
    return _prepared(root, record.load(root), name, applied)


def _prepared(root: Root, old: Record, name: str, applied: Applied) -> Prepared:
    prepared = prepare(root, old, old.runtimes | {name: applied})
    for each in obstacles(name, applied.plan, applied.files, root):
        raise LregError(f"{each.said}: {each.mend}, then apply again")
    return prepared


@contextlib.contextmanager
def changing(root: Root) -> Iterator[Record]:
    """Give the record of a node, and keep others from changing the node meanwhile.

    Raises:
        LregError: the record can't be read, or not be made.
    """
    record.check_place(root)
    missing = root.missing_folders(STATE)
    try:
        with _sentences(root, FOLDER):
            for folder in missing:
                placing.make_folder(root, folder, 0o700 if folder == FOLDER else 0o755)
        with record.locked(root):
            known = record.load(root)
            yield replace(known, folders=tuple(dict.fromkeys([*known.folders, *missing])))
    finally:
        if not root.exists(STATE):
            _forget(root)
            _remove_folders(root, missing)


def commit(root: Root, prepared: Prepared) -> None:
    """Do what was prepared, all of it or nothing; only within `changing`.

    Raises:
        LregError: something can't be written; says what, and whether `undo` is needed.
    """
    if not prepared.changes and prepared.old == prepared.new:
        return
    done = list[Change]()
    try:
        with _sentences(root, FOLDER):
            _keep(root, prepared)
        for change in prepared.changes:
            with _sentences(root, change.path):
                _stage(root, change)
        for change in prepared.changes:
            done.append(change)
            with _sentences(root, change.path):
                placing.place(root, change)
    except BaseException:
        _roll_back(root, prepared, done)
        raise
    _settle(root, prepared.old, prepared.new)


def _keep(root: Root, prepared: Prepared) -> None:
    """Write down all that `undo` needs, whatever of the changes is done when it is called."""
    for path, kept in prepared.new.files.items():
        if path not in prepared.old.files and kept.original is not None:
            placing.write_own(root, f"{ORIGINALS}/{path}", kept.original)
    journal = _journal(prepared)
    placing.write_own(root, STATE, record.encoded(journal))
    for path in journal.files:
        placing.clear(root, path)


def _journal(prepared: Prepared) -> Record:
    """Return the record of a node in which any part of the changes may be done."""
    old, new = prepared.old, prepared.new
    files = dict[str, Kept]()
    for change in prepared.changes:
        written = tuple(each for each in (change.before, change.after) if each is not None)
        original = new.files[change.path].original if change.path in new.files else change.after
        files[change.path] = Kept(original, written)
    for path, kept in [*new.files.items(), *old.files.items()]:
        known = files.get(path, Kept(kept.original, ()))
        files[path] = replace(known, written=tuple(dict.fromkeys(known.written + kept.written)))
    folders = tuple(dict.fromkeys([*old.folders, *new.folders]))
    return Record(new.runtimes, files, folders)


def _stage(root: Root, change: Change) -> None:
    if root.read(change.path) != change.before:
        raise LregError(f"{root.absolute(change.path)} was just changed by somebody: try again")
    if change.after is not None:
        for folder in root.missing_folders(change.path):
            placing.make_folder(root, folder)
    placing.stage(root, change)


def _settle(root: Root, old: Record, new: Record) -> None:
    """Let go of what is not needed any more; what can't go yet, the next `undo` takes away."""
    gone = [folder for folder in old.folders if folder not in new.folders]
    with contextlib.suppress(OSError):
        for path in old.files:
            placing.clear(root, path)
        _remove_folders(root, gone)
        if new.runtimes:
            left = [folder for folder in gone if root.is_empty(folder)]
            now = replace(new, folders=(*new.folders, *left))
            placing.write_own(root, STATE, record.encoded(now))
        else:
            _forget(root)
            _remove_folders(root, gone)


def _roll_back(root: Root, prepared: Prepared, done: list[Change]) -> None:
    """Bring back what was there before the changes that were begun.

    Raises:
        LregError: that does not work either.
    """
    try:
        for change in reversed(done):
            now = root.read(change.path)
            if now != change.before:
                back = replace(change, before=now, after=change.before)
                placing.stage(root, back)
                placing.place(root, back)
        for change in prepared.changes:
            placing.clear(root, change.path)
    except OSError as error:
        raise LregError(
            f"{error.filename or FOLDER}: {error.strerror}: the node is changed in part: "
            "mend that, then `lreg node undo`"
        ) from error
    old, new = prepared.old, prepared.new
    _remove_folders(root, [folder for folder in new.folders if folder not in old.folders])
    if old.runtimes:
        with contextlib.suppress(OSError):
            placing.write_own(root, STATE, record.encoded(old))
    else:
        _forget(root)


def _forget(root: Root) -> None:
    """Remove the record, its own file as the last."""
    shutil.rmtree(root.absolute(ORIGINALS), ignore_errors=True)
    with contextlib.suppress(OSError):
        placing.clear(root, STATE)
        os.unlink(root.absolute(STATE))
    placing.remove_folder(root, FOLDER)


def _remove_folders(root: Root, folders: Sequence[str]) -> None:
    for folder in reversed(folders):
        placing.remove_folder(root, folder)


@contextlib.contextmanager
def _sentences(root: Root, path: str) -> Iterator[None]:
    """Say in one line what the system refuses."""
    try:
        yield
    except OSError as error:
        where = error.filename or root.absolute(path)
        raise LregError(f"{where}: {error.strerror}: nothing was changed") from error

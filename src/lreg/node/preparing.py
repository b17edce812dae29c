"""What has to change on a node so that it holds what some runtimes are to be told, and no more."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.node import hosts, threeway
from lreg.node.merging.bringing import bring
from lreg.node.merging.documents import meaning
from lreg.node.merging.draft import Draft
from lreg.node.placing import Change, is_torn
from lreg.node.plan import Merge
from lreg.node.record import STATE, Applied, Kept, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.node.rooted import Root


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is to be done, computed before anything is.

    Attributes:
        changes: to files, by path.
        notes: what a person should know, in sentences.
        old: the record that is there.
        new: the record that is to be there afterwards.
    """

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    old: Record
    new: Record


def prepare(
    root: Root, record: Record, runtimes: Mapping[str, Applied], *, force: bool = False
) -> Prepared:
    """Return what has to change; nothing is written.

    Args:
        root: the node's.
        record: what was done to it before.
        runtimes: all that are to be told something; without any all is taken back.
        force: let go of what was edited since where lreg had written.

    Raises:
        LregError: a file can't be read, edited or taken back; says which, and what to do.
    """
    originals = {
        path: kept.original if force else _taken_back(root, path, kept)
        for path, kept in record.files.items()
    }
    if not force:
        _check_taken_back(root, record, originals)
    draft = Draft(root, originals)
    bring((applied.files for applied in runtimes.values()), draft)
    changes, kept = list[Change](), dict[str, Kept]()
    for path in sorted({*originals, *draft.texts}):
        original = draft.original(path)
        after = draft.texts[path].encode() if path in draft.texts else original
        if after != original and after is not None:
            kept[path] = Kept(original, (after,))
        if (now := root.read(path)) != after:
            mode = draft.files[path].mode if path in draft.files else 0o644
            changes.append(_change(root, path, now, after, mode))
    folders = _folders(root, record, kept, [STATE] if runtimes else [])
    new = Record(dict(runtimes), kept, folders)
    return Prepared(tuple(changes), tuple(dict.fromkeys(draft.notes)), record, new)


def _folders(
    root: Root, record: Record, files: Iterable[str], own: Iterable[str]
) -> tuple[str, ...]:
    """Return the folders that were made or have to be, and still have something of ours."""
    paths = [*own, *files]
    made = dict.fromkeys(record.folders)
    for path in paths:
        made |= dict.fromkeys(root.missing_folders(path))
    return tuple(each for each in made if any(path.startswith(f"{each}/") for path in paths))


def _change(root: Root, path: str, before: bytes | None, after: bytes | None, mode: int) -> Change:
    where = root.absolute(path)
    in_place = before is not None and (
        path == root.resolve(hosts.PATH) or os.stat(where).st_nlink > 1 or root.is_mount_point(path)
    )
    if before is not None and after is not None and not os.access(where, os.W_OK):
        raise LregError(f"{where} is read-only: make it writable, nothing was changed")
    return Change(path, before, after, mode, in_place)


def _taken_back(root: Root, path: str, kept: Kept) -> bytes | None:
    """Return what a file would hold without us, its owner's edits included."""
    now = root.read(path)
    if now is None:
        return None
    ours = [kept.original or b"", *kept.written]
    if now in ours or any(is_torn(now, *pair) for pair in itertools.permutations(ours, 2)):
        return kept.original
    for base in kept.written:
        merged = threeway.merge(base, kept.original or b"", now)
        if merged is not None:
            return merged if merged or kept.original is not None else None
    raise _edited(root, path)


def _check_taken_back(root: Root, record: Record, originals: Mapping[str, bytes | None]) -> None:
    """Raise LregError unless what edited files hold is what we would make of them anew.

    Lines can be told apart where what they mean can't.
    """
    suspects = [
        path
        for path, kept in record.files.items()
        if originals[path] is not None and originals[path] != kept.original
    ]
    if not suspects:
        return
    draft = Draft(root, originals)
    bring((applied.files for applied in record.runtimes.values()), draft)
    for path in suspects:
        now = (root.read(path) or b"").decode(errors="replace")
        form = draft.files[path].merge if path in draft.files else Merge.OWN
        if not _same(draft.read(path) or "", now, form, draft.where(path)):
            raise _edited(root, path)


def _same(one: str, other: str, form: Merge, where: str) -> bool:
    match form:
        case Merge.OWN:
            return one == other
        case Merge.HOSTS:
            return sorted(one.splitlines()) == sorted(other.splitlines())
    return meaning(one, form, where) == meaning(other, form, where)


def _edited(root: Root, path: str) -> LregError:
    return LregError(
        f"{root.absolute(path)} was edited where lreg had written: take lreg's lines out by hand "
        f"and undo again, or `lreg node undo --force` puts back what was there before, "
        "without the edits"
    )

"""COPY and ADD: which files of a context or an image go where in another."""

from __future__ import annotations

import posixpath
import stat
import tarfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from lreg.errors import UsageError
from lreg.images.building.context.ignore import Ignore
from lreg.images.building.context.patterns import is_pattern, name_pattern
from lreg.images.building.draft import ROOT, Owner
from lreg.images.building.layers import LayerFile
from lreg.images.building.unpacking import unpack
from lreg.images.contents.entries import Entry
from lreg.images.contents.unpacking import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lreg.images.building.draft import Draft
    from lreg.images.building.root import Root
    from lreg.images.building.staging import Staging
    from lreg.images.members import Member


_TEXT = Entry("", stat.S_IFREG | 0o644, 0, 0)


class Origin(Protocol):
    """What files are copied from: a context, or an image."""

    @property
    def root(self) -> Root:
        """Its files."""

    def members(self, entries: Iterable[Entry]) -> dict[tuple[int, int], Member]:
        """Return the contents of files of it by their places."""


@dataclass(frozen=True, slots=True)
class Copying:
    """One COPY or ADD.

    Attributes:
        sources: paths or patterns in the origin.
        target: absolute, in the image; a folder where it ends with a slash.
        owner: of what arrives; None: who owned it.
        mode_of: gives the mode for one that was found.
        unpacks: whether archives are unpacked.
        parents: whether the folders that the sources lie in are made as well.
        excludes: what of the sources stays.
    """

    sources: Sequence[str]
    target: str
    owner: Owner | None = None
    mode_of: Callable[[int], int] = lambda mode: mode
    unpacks: bool = False
    parents: bool = False
    excludes: Ignore = field(default_factory=lambda: Ignore(()))

    def dress(self, entry: Entry) -> Entry:
        """Return a file with the owner and the mode that it is to have."""
        if self.owner:
            entry = replace(entry, uid=self.owner.uid, gid=self.owner.gid)
        return entry if entry.is_link else replace(entry, mode=self.mode_of(entry.mode))


@dataclass(frozen=True, slots=True)
class _Found:
    """A source: what was asked for, and where that really lies."""

    name: str
    entry: Entry


def copy_files(copying: Copying, origin: Origin, draft: Draft, staging: Staging) -> None:
    """Put what is to be copied into a draft.

    Raises:
        UsageError: a source is not there, or can't go where it is to go.
    """
    if copying.parents:
        draft.folder(copying.target.strip("/"), copying.owner or ROOT)
        for source in copying.sources:
            _copy_with_parents(copying, source, origin, draft)
        return
    # Of a pattern that matches nothing there is nothing to copy.
    found = [one for source in copying.sources for one in _matches(origin.root, source)]
    if len(found) > 1 and not _goes_into(copying, draft.root):
        raise UsageError(f"{len(found)} sources need a folder to go to: {copying.target}/")
    for one in found:
        if one.entry.is_folder:
            target = draft.folder(copying.target.strip("/"), copying.owner or ROOT)
            _copy_below(copying, one.entry, origin, draft, target)
        else:
            _copy_file(copying, one, origin, draft, staging)


def put_file(copying: Copying, name: str, file: LayerFile, draft: Draft, staging: Staging) -> None:
    """Put a file into a draft, by its name where the target is a folder; raise UsageError."""
    if copying.unpacks and file.content and (tar := _as_tar(file.content)):
        folder = draft.folder(copying.target.strip("/"), copying.owner or ROOT)
        unpack(tar, draft, staging, folder, replace(copying, mode_of=lambda mode: mode).dress)
        return
    _put(copying, _target(copying, name, draft.root), file, draft)


def put_text(copying: Copying, name: str, content: Member, draft: Draft) -> None:
    """Put a heredoc into a draft, by its name where the target is a folder; raise UsageError."""
    file = LayerFile(replace(_TEXT, size=content.size), content)
    _put(copying, _target(copying, name, draft.root), file, draft)


def _copy_file(
    copying: Copying, one: _Found, origin: Origin, draft: Draft, staging: Staging
) -> None:
    content = origin.members([one.entry])[one.entry.place] if one.entry.is_file else None
    put_file(copying, one.name, LayerFile(one.entry, content), draft, staging)


def _copy_below(copying: Copying, folder: Entry, origin: Origin, draft: Draft, target: str) -> None:
    """Copy the content of a folder of the origin to a folder of the image."""
    entries = [
        entry
        for entry in origin.root.below(folder.path)
        if not copying.excludes.ignores(_relative(entry, folder))
    ]
    contents = origin.members(entry for entry in entries if entry.is_file)
    for entry in entries:
        path = posixpath.join(target, _relative(entry, folder))
        _put(copying, path, LayerFile(entry, contents.get(entry.place)), draft)


def _copy_with_parents(copying: Copying, source: str, origin: Origin, draft: Draft) -> None:
    """Copy what a pattern means with the folders above it, or with those behind a `/./` in it."""
    before, pivot, after = source.partition("/./")
    top, pattern = (before, after) if pivot else ("", source)
    pattern = _cleaned(pattern)
    for one in _matches(origin.root, top):
        found = _below_pattern(copying, one.entry.path, pattern, origin.root)
        if not found and not is_pattern(source):
            raise UsageError(f"{source!r:.200} is not there, or is left out by .dockerignore")
        contents = origin.members(entry for entry in found.values() if entry.is_file)
        for name, entry in found.items():
            file = LayerFile(entry, contents.get(entry.place))
            _put(copying, posixpath.join(copying.target.strip("/"), name), file, draft)


def _below_pattern(copying: Copying, top: str, pattern: str, root: Root) -> dict[str, Entry]:
    """Return what matches below a folder, and the folders above that, by their ways from there."""
    wanted = Ignore.of([pattern])
    folders: dict[str, Entry] = {}
    found: dict[str, Entry] = {}
    for entry in root.below(top):
        name = entry.path[len(top) :].lstrip("/")
        if entry.is_folder:
            folders[name] = entry
        if wanted.ignores(name) and not copying.excludes.ignores(name):
            above = [name]
            while above[-1] and (parent := posixpath.dirname(above[-1])):
                above.append(parent)
            found |= {each: folders[each] for each in reversed(above[1:])}
            found[name] = entry
    return found


def _put(copying: Copying, path: str, file: LayerFile, draft: Draft) -> None:
    dressed = LayerFile(copying.dress(file.entry), file.content)
    same_as = file.entry.place if file.content and file.entry.path else None
    draft.put(path, dressed, owner=copying.owner or ROOT, same_as=same_as)


def _relative(entry: Entry, folder: Entry) -> str:
    return entry.path[len(folder.path) :].lstrip("/")


def _target(copying: Copying, name: str, root: Root) -> str:
    target = copying.target.strip("/")
    if _goes_into(copying, root):
        return posixpath.join(target, posixpath.basename(name))
    return root.real(target)


def _goes_into(copying: Copying, root: Root) -> bool:
    """Return whether the target is a folder for files to go into."""
    found = root.find(root.real(copying.target.strip("/")))
    return copying.target.endswith("/") or bool(found and found.is_folder)


def _matches(root: Root, source: str) -> Iterator[_Found]:
    """Yield what a source names, links followed within the origin; `..` ends at its top.

    Raises:
        UsageError: it is no pattern and is not there.
    """
    for name in _expanded(root, [part for part in _cleaned(source).split("/") if part]):
        entry = root.find(root.real(name))
        if entry:
            yield _Found(name, entry)
        elif not is_pattern(source):
            raise UsageError(
                f"{source!r:.200} is not there, is left out by .dockerignore, or is a link that "
                "leads out"
            )


def _cleaned(source: str) -> str:
    return posixpath.normpath(f"/{source}").lstrip("/")


def _expanded(root: Root, parts: Sequence[str]) -> list[str]:
    names = [""]
    for part in parts:
        if not is_pattern(part):
            names = [posixpath.join(name, part) for name in names]
            continue
        pattern = name_pattern(part)
        names = [
            posixpath.join(name, found)
            for name in names
            for found in root.names(root.real(name))
            if pattern.fullmatch(found)
        ]
    return names


def _as_tar(content: Member) -> Plain | None:
    """Return what an archive holds, unpacked; None for what is no archive."""
    try:
        head = Plain(content.pieces()).read(tarfile.BLOCKSIZE)
        tarfile.TarInfo.frombuf(head, tarfile.ENCODING, "surrogateescape")
    except (UsageError, tarfile.HeaderError):
        return None
    return Plain(content.pieces())

"""Faults at every single step of a change to a store, and a record of what was made durable."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError
from lreg.store import arriving, files, fills, holdings, intake, tagging, tree, uploads
from lreg.store.filesystem import FilesystemStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest

    Act = Callable[[FilesystemStore], Awaitable[object]]

MODULES = (arriving, files, fills, holdings, intake, tagging, tree, uploads)
CHANGING = {
    "mkdir",
    "makedirs",
    "rename",
    "rmdir",
    "unlink",
    "utime",
    "fsync",
    "pwrite",
    "ftruncate",
    "open",
}


class Crash(BaseException):
    """The process is dead: nothing that it does reaches the disk any more."""


class Faulty:
    """The module `os`, whose changing calls fail from the `step`th on, or only that one."""

    def __init__(self, step: int, error: BaseException, *, for_good: bool, after: bool) -> None:
        self.step = step
        self.error = error
        self.for_good = for_good
        self.after = after
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        return self.counted(function) if name in CHANGING else function

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, failing when its turn has come."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if function is os.open and not args[1] & (os.O_WRONLY | os.O_CREAT):
                return function(*args, **kwargs)
            self.count += 1
            fails = self.count == self.step or (self.for_good and self.count > self.step)
            if fails and not (self.after and self.count == self.step and function is not os.open):
                raise self.error
            try:
                return function(*args, **kwargs)
            finally:
                if fails:
                    raise self.error

        return call

    @property
    def reached(self) -> bool:
        """Whether the step to fail at was come to."""
        return self.count >= self.step


class Recorded:
    """The module `os`, which notes what was made durable and what was shown, in order."""

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}
        self.unsynced: set[str] = set()
        self.shown: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """Note a file that is written to."""
        descriptor = os.open(path, flags, mode)
        self.paths[descriptor] = path
        if flags & os.O_WRONLY:
            self.unsynced.add(path)
            self.unsynced.add(os.path.dirname(path))
        return descriptor

    def fsync(self, descriptor: int) -> None:
        """Note what is durable now."""
        os.fsync(descriptor)
        self.unsynced.discard(self.paths[descriptor])

    def mkdir(self, path: str) -> None:
        """Note a new folder."""
        os.mkdir(path)
        self.unsynced.add(os.path.dirname(path))

    def unlink(self, path: str) -> None:
        """Note what was taken out of a folder; fail where content goes before its links have."""
        if path.endswith("/data") and "/docker/" in path:
            assert not {other for other in self.unsynced if "/repositories/" in other}
        os.unlink(path)
        self.unsynced.add(os.path.dirname(path))

    def rename(self, source: str, target: str) -> None:
        """Fail where what is shown, or what it needs, is not durable yet."""
        if "/docker/" in target:
            inside = {path for path in self.unsynced if (path + "/").startswith(source + "/")}
            assert not inside, "shown before it was durable"
            outside = {path for path in self.unsynced if "/docker/" in path}
            assert not outside, "shown before what it needs was durable"
            self.shown.append(target)
        os.rename(source, target)
        self.unsynced |= {os.path.dirname(source), os.path.dirname(target)}


async def attempt(root: Path, act: Act, faulty: Faulty, patch: pytest.MonkeyPatch) -> object:
    """Return what came of a change while `faulty` stands in for `os`."""
    store = FilesystemStore(root)
    await store.open()
    try:
        with patch.context() as context:
            for module in MODULES:
                context.setattr(module, "os", faulty)
            context.setattr("lreg.store.files.shutil.rmtree", faulty.counted(shutil.rmtree))
            try:
                return await act(store)
            except (OSError, LregError, Crash) as error:
                return error
    finally:
        await store.close()

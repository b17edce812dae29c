"""A crash or an error at every single step of every change."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import BlobUnknown, LregError, ManifestUnknown, NameUnknown, StoreFull
from lreg.oci.digest import Digest
from lreg.oci.reference import Tag
from lreg.store import arriving, files, fills, holdings, intake, tagging, tree, uploads
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import (
    EMPTY,
    LATEST,
    NAME,
    OTHER,
    image,
    index,
    push,
    push_image,
    read,
)
from tests.unit.store.checking import check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Act = Callable[[FilesystemStore], Awaitable[object]]

CHANGING = {"mkdir", "makedirs", "rename", "unlink", "fsync", "pwrite", "ftruncate", "open"}
MODULES = (fills, files, arriving, holdings, intake, tagging, tree, uploads)
OLD, NEW = image(b"old"), image(b"new")
V1 = Tag("v1")


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


async def before(store: FilesystemStore) -> None:
    """Prepare what every change below is made to."""
    target = store.repository(NAME)
    await push_image(target, b"old", tags=[LATEST, V1])
    await push(target, b"new")
    await push(store.repository(OTHER), b"elsewhere")


async def push_blob(store: FilesystemStore) -> None:
    await push(store.repository(NAME), b"content" * 10_000)


async def push_known_blob(store: FilesystemStore) -> None:
    await push(store.repository(OTHER), b"old")


async def push_to_new_repository(store: FilesystemStore) -> None:
    await store.repository(OTHER).put_manifest(index(), [LATEST])


async def push_new_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(NEW, [Tag("v2")])


async def move_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(NEW, [LATEST])


async def mount(store: FilesystemStore) -> None:
    await store.repository(NAME).mount(Digest.of(b"elsewhere"), OTHER)


async def delete_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).delete_manifest(LATEST)


async def delete_manifest(store: FilesystemStore) -> None:
    await store.repository(NAME).delete_manifest(OLD.digest)


async def delete_blob(store: FilesystemStore) -> None:
    await store.repository(NAME).delete_blob(Digest.of(b"new"))


CHANGES = [
    push_blob,
    push_known_blob,
    push_to_new_repository,
    push_new_tag,
    move_tag,
    mount,
    delete_tag,
    delete_manifest,
    delete_blob,
]
STARTING = [push_blob, push_known_blob, push_to_new_repository, push_new_tag, move_tag, mount]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of fsyncs would take minutes elsewhere."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lreg-crash-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
async def prepared(place: Path) -> Path:
    """A store's folder to make copies of."""
    store = FilesystemStore(place / "prepared")
    await store.open()
    await before(store)
    await store.close()
    return place / "prepared"


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


async def settle(root: Path, act: Act) -> None:
    """Open the store as after a crash, look at all that it holds, repeat the change."""
    store = FilesystemStore(root, upload_expiry=0)
    await store.open()
    assert not os.listdir(root / "lreg/scratch")
    assert not os.listdir(root / "lreg/uploads")
    target = store.repository(NAME)
    for tag in (await target.tags(10)).items:
        held = await target.manifest(tag)
        assert held.data in (OLD.raw, NEW.raw)
        assert (await target.manifest(held.digest)).data == held.data
    assert read(await target.blob(Digest.of(EMPTY))) == EMPTY
    try:
        await act(store)
    except (ManifestUnknown, BlobUnknown, NameUnknown):
        assert act not in STARTING
    await store.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_crash(
    act: Act, after: bool, prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever lreg is killed, every tag and link left behind leads to whole content."""
    done: dict[str, str] | None = None
    for step in range(1, 200):
        root = place / f"{step}"
        shutil.copytree(prepared, root)
        faulty = Faulty(step, Crash(), for_good=True, after=after)
        outcome = await attempt(root, act, faulty, monkeypatch)
        links = check(root)
        await settle(root, act)
        repaired = check(root)
        if not faulty.reached:
            assert outcome is None
            assert links == repaired
            done = links
            break
        assert isinstance(outcome, Crash)
        shutil.rmtree(root)
    assert done is not None
    assert step > 2


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_error(
    act: Act, code: int, prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step fails, nothing is half there, nothing is left over, and it can be repeated."""
    for step in range(1, 200):
        root = place / f"{step}"
        shutil.copytree(prepared, root)
        faulty = Faulty(step, OSError(code, os.strerror(code)), for_good=False, after=False)
        outcome = await attempt(root, act, faulty, monkeypatch)
        check(root)
        assert outcome is None or isinstance(outcome, OSError | StoreFull)
        if code == errno.ENOSPC and act in STARTING:
            assert outcome is None or isinstance(outcome, StoreFull)
        await settle(root, act)
        if not faulty.reached:
            break
        shutil.rmtree(root)
    assert step > 2


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
        """Note what was taken out of a folder."""
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


@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_durable(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown was durable before, and when a change is acknowledged all of it is."""
    store = FilesystemStore(tmp_path / "store")
    await store.open()
    await before(store)
    recorded = Recorded()
    with monkeypatch.context() as context:
        for module in MODULES:
            context.setattr(module, "os", recorded)
        await act(store)
    assert not {path for path in recorded.unsynced if "/docker/" in path}
    if act in STARTING:
        assert recorded.shown
    await store.close()

"""The lreg that runs on a store: what it says of itself to the commands beside it.

A server holds a lock on `<store>/lreg/run/lock` for as long as it lives, and says in `serve.json`
beside it where it answers. Both files stay and are written in place: the next server can start on a
full disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.locks import is_lost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# One block of a disk: once it is there, writing takes no more room.
_STATE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        pid: its process.
        urls: where it listens, such as `http://127.0.0.1:5000`, in the order of the setting.
        started: when it began to answer, in seconds since 1970.
        version: lreg's.
        grace: how many seconds running requests may take to end at a stop.
        ca: the file with the CA to trust, or None where it has none of its own.
        log: the file it logs to, or None where that is stderr.
    """

    pid: int
    urls: tuple[str, ...]
    started: float
    version: str
    grace: float
    ca: str | None = None
    log: str | None = None


def run_folder(store: Path) -> Path:
    """Return where the files about the running server of `store` lie."""
    return store / "lreg" / "run"


class Hold:
    """The lock of the one server of a store."""

    def __init__(self, store: Path) -> None:
        """Take it; raise UsageError where another lreg has it, or the store can't be written."""
        self._store = store
        self._lock = self._taken()
        # A crash may have left what the server before this one said.
        _say(store, b"")

    def renew(self) -> bool:
        """Take the lock anew if its file was removed and the store is there again.

        Returns:
            Whether it did.

        Raises:
            UsageError: it can't be taken now; `renew` may be tried again.
        """
        if not self._is_lost() or not run_folder(self._store).parent.is_dir():
            return False
        lock = self._taken()
        os.close(self._lock)
        self._lock = lock
        return True

    def release(self) -> None:
        """Let another have it; what was announced is no longer so."""
        if not self._is_lost():
            _say(self._store, b"")
        os.close(self._lock)

    def _is_lost(self) -> bool:
        return is_lost(self._lock, run_folder(self._store) / "lock")

    def _taken(self) -> int:
        lock = _open_lock(self._store)
        if not _lock(lock):
            os.close(lock)
            raise UsageError(
                f"another lreg serves {self._store}: `lreg stop` it, or choose another --store"
            )
        return lock


@contextmanager
def hold(store: Path) -> Iterator[Hold]:
    """Be the one server of `store` while the context lasts.

    Raises:
        UsageError: another lreg is, or the store can't be written.
    """
    held = Hold(store)
    try:
        yield held
    finally:
        held.release()


def _open_lock(store: Path) -> int:
    """Return the open file of the lock; it is made, with its folder, if need be."""
    folder = run_folder(store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(
            f"the store can't be written ({error.filename}: {error.strerror}): choose another "
            "with --store or LREG_STORE, or run this as its owner"
        ) from None


def _lock(lock: int) -> bool:
    # A command that looks (`is_held`) shares the lock for a moment: that is no other server.
    for _ in range(10):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False


def announce(store: Path, running: Running) -> None:
    """Tell the commands beside it that this server answers; only under `hold`.

    Raises:
        OSError: it can't be written.
    """
    _say(store, json.dumps(asdict(running)).encode(), create=True)


def _say(store: Path, text: bytes, *, create: bool = False) -> None:
    """Write what the server says of itself over what it said before; blanks are nothing."""
    try:
        state = os.open(_state(store), os.O_WRONLY | os.O_CLOEXEC | (create and os.O_CREAT), 0o644)
    except FileNotFoundError:
        if create:
            raise
        return
    try:
        os.pwrite(state, text.ljust(_STATE_SIZE), 0)
        os.ftruncate(state, max(len(text), _STATE_SIZE))
    finally:
        os.close(state)


def find(store: Path) -> Running | None:
    """Return the server of `store` if one answers; None where none does or it can't be seen."""
    try:
        if not is_held(store):
            return None
        raw = json.loads(_state(store).read_text())
        return Running(**{**raw, "urls": tuple(raw["urls"])})
    except (LregError, OSError, ValueError, TypeError, KeyError):
        return None


def is_held(store: Path) -> bool:
    """Return whether a server lives on `store`, answering or not yet.

    Raises:
        LregError: this user may not see that.
    """
    try:
        lock = os.open(run_folder(store) / "lock", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    except PermissionError:
        raise LregError(
            f"whether one runs on {store} is for its owner to see: run this as that user"
        ) from None
    except OSError:
        pass
    return False


def _state(store: Path) -> Path:
    return run_folder(store) / "serve.json"


def send(store: Path, running: Running, signal_number: int) -> None:
    """Send a signal to the server, and to nothing else that may have its pid by now.

    Raises:
        PermissionError: it is another user's.
    """
    try:
        process = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return
    try:
        # The pid can't be given anew while this descriptor is open and the lock still held.
        if find(store) == running:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal_number)
    finally:
        os.close(process)

"""Files and folders of manifests, read within limits."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE = 64 << 20
"""A file of more bytes is not read."""

_MAX_FILES = 50_000
_REMOTE = re.compile(r"[a-z+]+://|[\w.-]+@[\w.-]+:|[\w-]+\.[a-z]{2,}/|.*\?ref=")


def read_text(path: Path) -> str:
    """Return what a file says in UTF-8 or UTF-16, what is wrong in it replaced.

    Raises:
        UsageError: it can't be read, is no plain file, or is larger than any manifest.
    """
    try:
        # Opening a pipe waits for who writes to it, unless told not to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UsageError("it is no file")
            raw = opened.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"it can't be read: {error.strerror}") from None
    return decoded(raw)


def decoded(raw: bytes) -> str:
    """Return what the bytes of a file say; raise UsageError where they are too many."""
    if len(raw) > MAX_FILE:
        raise UsageError(f"it has more than {MAX_FILE >> 20} MiB")
    # YAML 1.2, 5.2: a byte order mark says which of them it is.
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    return raw.decode(encoding, errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder below one, itself first, with its files' names; hidden ones left out.

    No link to a folder is followed.

    Raises:
        UsageError: it can't be read, or has more files than a set of manifests.
    """
    count = 0

    def fail(error: OSError) -> None:
        raise UsageError(f"{error.filename} can't be read: {error.strerror}") from None

    for here, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        count += len(names)
        if count > _MAX_FILES:
            raise UsageError(f"{folder} has more than {_MAX_FILES} files: name a folder in it")
        yield folder.__class__(here), sorted(names)


def is_remote(name: str) -> bool:
    """Return whether a resource of a kustomization lies elsewhere: a URL, a git repository."""
    return bool(_REMOTE.match(name))

"""Where commands write what is no text: to a file, whole or not at all, or to stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO


def write_to(output: str, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` write to a file, or to stdout.

    Args:
        output: the path of a file, which is replaced when the new one is whole; - is stdout.
        write: gets what to write to.

    Raises:
        UsageError: stdout is a terminal.
        OSError: the file can't be written.
    """
    if output != "-":
        _replace(Path(output), write)
        return
    if sys.stdout.isatty():
        raise UsageError("this is no text, and stdout is a terminal: use a pipe, or --output FILE")
    write(sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _replace(path: Path, write: Callable[[BinaryIO], None]) -> None:
    if path.exists() and not path.is_file():  # a pipe, or /dev/null
        with path.open("wb") as file:
            write(file)
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

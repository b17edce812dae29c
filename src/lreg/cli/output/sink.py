"""Where commands write what is no text: to a file, whole or not at all, or to stdout."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.whole import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO


def write_to(output: str, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` write to a file, or to stdout.

    Args:
        output: the path of a file, which is replaced when the new one is whole; - is stdout.
        write: gets what to write to.

    Raises:
        UsageError: stdout is a terminal.
        OSError: the file can't be written.
    """
    if output != "-":
        with whole_file(Path(output)) as file:
            write(file)
        return
    with standard_output() as stdout:
        if stdout.isatty():
            raise UsageError(
                "this is no text, and stdout is a terminal: use a pipe, or --output FILE"
            )
        write(stdout)


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Give stdout for bytes, with a buffer of its own: a thread may be stuck in it at the end.

    Raises:
        UsageError: it is closed.
    """
    if sys.stdout is None:
        raise UsageError("stdout is closed, where this was to go")
    with open(sys.stdout.fileno(), "wb", closefd=False) as file:
        yield file

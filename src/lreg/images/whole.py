"""Files that are there whole, or not at all."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to; at the end it stands at `path`, if nothing went wrong.

    A pipe, or a device such as /dev/null, is written to as it is.

    Raises:
        OSError: it can't be written; says which file.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    # Who else writes the same file at the same time has a part of his own.
    part = path.with_name(f"{path.name}.{threading.get_native_id()}.part")
    try:
        try:
            with part.open("wb") as file:
                yield file
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        # Of a write that fails nothing says of what, and nobody asked for the part.
        if error.filename in (None, str(part)):
            error.filename = str(path)
        raise

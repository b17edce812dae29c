"""What is kept in temporary files, for which there may be no room."""

from __future__ import annotations

from tempfile import gettempdir
from typing import IO, TYPE_CHECKING

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Iterable


def keep(pieces: Iterable[bytes], target: IO[bytes]) -> None:
    """Write pieces to a temporary file.

    Raises:
        LregError: it can't be written; says where room is lacking.
    """
    for piece in pieces:
        try:
            target.write(piece)
            target.flush()
        except OSError as error:
            where = f"in {gettempdir()}: {error.strerror}; $TMPDIR names another folder"
            raise LregError(f"it can't be kept {where}") from error

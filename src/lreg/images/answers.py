"""Answers of HTTP servers that are no registries, read whole or not at all."""

from __future__ import annotations

from http.client import IncompleteRead
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

_PIECE = 1 << 20


def pieces_of(answer: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of an answer.

    Raises:
        IncompleteRead: it broke off; of an answer of known length http.client does not say so.
        OSError: the connection failed.
    """
    while piece := answer.read(_PIECE):
        yield piece
    if answer.length:
        raise IncompleteRead(b"", answer.length)

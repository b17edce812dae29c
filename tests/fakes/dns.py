"""A name server that knows nothing and remembers who asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = 12  # RFC 1035, 4.1.1.
_NO_SUCH_NAME = 3


@dataclass(frozen=True, slots=True)
class Question:
    """A look-up: whose address asked for which name."""

    by: str
    name: str


class NameServer(asyncio.DatagramProtocol):
    """An async context manager: says "no such name" to everything, by UDP.

    Args:
        host: where it listens.
        port: 53, as resolv.conf can name no other.

    Attributes:
        asked: every question so far.
    """

    def __init__(self, host: str, port: int = 53) -> None:
        self.asked: list[Question] = []
        self._at = (host, port)
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._at)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Note the question, and answer it."""
        if len(data) <= _HEADER or not self._transport:
            return
        self.asked.append(Question(addr[0], ".".join(_labels(data))))
        end = _HEADER + sum(len(label) + 1 for label in _labels(data)) + 1 + 4
        # A response (QR), to a question that wanted recursion (RD) and could have it (RA).
        flags = bytes([0x81, 0x80 | _NO_SUCH_NAME])
        counts = b"\0\1" + bytes(6)
        self._transport.sendto(data[:2] + flags + counts + data[_HEADER:end], addr)


def _labels(query: bytes) -> Iterator[str]:
    at = _HEADER
    while at < len(query) and (size := query[at]):
        yield query[at + 1 : at + 1 + size].decode("latin-1")
        at += 1 + size

"""What can go wrong with an answer, and when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived.

    Attributes:
        method: GET, say.
        target: path and query as they were on the wire.
        headers: names in lower case.
        body: what came of the body.
        link: the number of the connection, counted from 0.
        at: when, on the event loop's clock.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    link: int
    at: float

    @property
    def path(self) -> str:
        """The target without its query, and without the host that a proxy is told."""
        return urlsplit(self.target).path


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, headers and body; Content-Length is added where none is named."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong; several can be named at once.

    Attributes:
        reply: answer this instead.
        delay: seconds to wait before the answer.
        hang_up: close instead of answering.
        cut_after: close after so many bytes of the body.
        stall_after: send so many bytes of the body, then nothing until the client leaves.
        rate: bytes a second.
        corrupt: change the body's last byte.
        ignore_range: answer as if no Range had been asked for.
        deaf: do not read the request's body before the answer; with a `delay`, never.
        drop_upload_after: close after so many bytes of the request's body.
    """

    reply: Reply | None = None
    delay: float = 0
    hang_up: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    rate: float | None = None
    corrupt: bool = False
    ignore_range: bool = False
    deaf: bool = False
    drop_upload_after: int | None = None


GOOD = Fault()


@dataclass(slots=True)
class _Rule:
    matches: Callable[[str, str], bool]
    fault: Fault
    times: int


class Script:
    """Which requests go wrong, and how: the first rule that matches and is not used up."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def add(self, method: str, part: str, fault: Fault, times: int = 1) -> None:
        """Let `fault` befall the next `times` requests by `method` whose target has `part`."""
        self._rules.append(_Rule(lambda m, target: m == method and part in target, fault, times))

    def next(self, method: str, target: str) -> Fault:
        """Return what befalls this request, and count it."""
        for rule in self._rules:
            if rule.times and rule.matches(method, target):
                rule.times -= 1
                return rule.fault
        return GOOD


async def send(
    writer: asyncio.StreamWriter,
    method: str,
    reply: Reply,
    fault: Fault,
    sent: Callable[[int], None],
) -> bool:
    """Write the reply as the fault says, telling `sent` of its body's bytes.

    Returns:
        Whether the connection can be used again.
    """
    if fault.corrupt and reply.body:
        reply = replace(reply, body=reply.body[:-1] + bytes([reply.body[-1] ^ 1]))
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    head = f"HTTP/1.1 {reply.status} Scripted\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{head}\r\n".encode())
    body = b"" if method == "HEAD" else reply.body
    stops = [stop for stop in (fault.cut_after, fault.stall_after) if stop is not None]
    limit = min([len(body), *stops])
    step = 64 << 10
    for start in range(0, limit, step):
        piece = body[start : min(start + step, limit)]
        writer.write(piece)
        await writer.drain()
        sent(len(piece))
        if fault.rate:
            await asyncio.sleep(len(piece) / fault.rate)
    await writer.drain()
    return limit == len(body)

"""What can go wrong with an answer, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

ALWAYS = 1 << 30  # as `times` of `Script.add`


@dataclass(slots=True)
class Told:
    """What became of an answer, so far; times as in `Seen.at`.

    Attributes:
        status: its status; 0: there is none yet, or the connection was closed instead.
        sent: how many bytes of its body were written.
        first: when the first of them was about to be; 0: not yet.
        last: when the last of them was.
    """

    status: int = 0
    sent: int = 0
    first: float = 0
    last: float = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived.

    Attributes:
        method: GET, say.
        target: path and query as they were on the wire.
        headers: names in lower case.
        body: what came of the body.
        link: the number of the connection, counted from 0.
        at: when, on the event loop's clock, which is `time.monotonic`.
        told: what it was answered.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    link: int
    at: float
    told: Told = field(default_factory=Told, compare=False)

    @property
    def path(self) -> str:
        """The target without its query, and without the host that a proxy is told."""
        return urlsplit(self.target).path


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, headers and body; Content-Length is added where none is named."""

    status: int
    body: bytes | memoryview = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong; several can be named at once.

    Attributes:
        reply: answer this instead.
        delay: seconds to wait before the answer.
        until: set once the answer may go.
        hang_up: close instead of answering.
        cut_after: close after so many bytes of the body.
        stall_after: send so many bytes of the body, then nothing until the client leaves.
        rate: bytes a second, evenly.
        corrupt: change the body's last byte.
        chunked: do not say how long the body is.
        ignore_range: answer as if no Range had been asked for.
        deaf: do not read the request's body before the answer; with a `delay`, never.
        drop_upload_after: close after so many bytes of the request's body.
    """

    reply: Reply | None = None
    delay: float = 0
    until: threading.Event | None = None
    hang_up: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    rate: float | None = None
    corrupt: bool = False
    chunked: bool = False
    ignore_range: bool = False
    deaf: bool = False
    drop_upload_after: int | None = None

    def limit(self, size: int) -> int:
        """Return how many bytes of a body of `size` go out."""
        return min(stop for stop in (size, self.cut_after, self.stall_after) if stop is not None)


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
        """Let `fault` befall the next `times` requests whose target has `part`.

        Args:
            method: of those by this method only; empty: by any.
            part: what their target contains.
            fault: what befalls them.
            times: how many of them.
        """
        self._rules.append(
            _Rule(lambda m, target: method in {"", m} and part in target, fault, times)
        )

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._rules.clear()

    def next(self, method: str, target: str) -> Fault:
        """Return what befalls this request, and count it."""
        for rule in self._rules:
            if rule.times and rule.matches(method, target):
                rule.times -= 1
                return rule.fault
        return GOOD

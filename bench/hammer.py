"""Small requests over kept connections, as fast as they are answered, with every latency."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.wire import LoadFailed, ask, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.wire import Sock, Target


@dataclass(frozen=True, slots=True)
class Answered:
    """How many requests were answered in how many seconds, and latencies in milliseconds."""

    requests: int
    seconds: float
    p99: float
    worst: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def hammer(
    target: Target,
    requests: Sequence[tuple[str, str]],
    connections: int,
    more: Callable[[], bool],
    ready: Callable[[], None] = lambda: None,
) -> Answered:
    """Keep one request in flight on each connection while ``more`` says so.

    Every answer must be a 200 of the length that the same request had before, when each was sent
    once to warm up. A dozen instructions a request: on loopback this client is as quick as wrk.

    Args:
        target: the server.
        requests: method and path of each request; every connection goes round them.
        connections: how many.
        more: asked once a round of answers.
        ready: called when all are connected.

    Raises:
        LoadFailed: An answer was another one.
    """
    heads = [compose(method, path) for method, path in requests]
    lengths = [_probe(target, *request) for request in requests]
    sockets: dict[int, Sock] = {}
    poll = select.epoll()
    for _ in range(connections):
        sock = target.connect()
        sockets[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
    ready()
    began = time.perf_counter()
    latencies = _rounds(sockets, poll, heads, lengths, more)
    seconds = time.perf_counter() - began
    for sock in sockets.values():
        sock.close()
    latencies.sort()
    p99 = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    return Answered(len(latencies), seconds, p99 * 1e3, latencies[-1] * 1e3)


def _rounds(
    sockets: dict[int, Sock],
    poll: select.epoll,
    heads: list[bytes],
    lengths: list[int],
    more: Callable[[], bool],
) -> list[float]:
    clock = time.perf_counter
    buffer = bytearray(128 * 1024)
    latencies: list[float] = []
    count = len(heads)
    turn = {number: place % count for place, number in enumerate(sockets)}
    missing = {number: lengths[at] for number, at in turn.items()}
    started = dict.fromkeys(sockets, clock())
    for number, sock in sockets.items():
        sock.sendall(heads[turn[number]])
    while more():
        for number, _ in poll.poll(10):
            sock = sockets[number]
            at = turn[number]
            got = sock.recv_into(buffer)
            if missing[number] == lengths[at] and buffer[9:12] != b"200":
                raise LoadFailed(f"{heads[at][:80]!r} was answered {bytes(buffer[:300])!r}")
            left = missing[number] - got
            if left > 0 and got:
                missing[number] = left
                continue
            if left:
                raise LoadFailed(f"{heads[at][:80]!r} was answered in another length than before")
            now = clock()
            latencies.append(now - started[number])
            at = turn[number] = (at + 1) % count
            missing[number] = lengths[at]
            started[number] = now
            sock.sendall(heads[at])
    return latencies


def _probe(target: Target, method: str, path: str) -> int:
    """Return how many bytes the whole answer to a request has, head included."""
    with target.connect() as sock:
        answer = ask(sock, method, path)
        if answer.status != 200:
            raise LoadFailed(f"{method} {path}: {answer.status}: {answer.body[:300]!r}")
    return answer.head_size + len(answer.body)

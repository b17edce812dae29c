"""From the command to the first answer, and the memory of a server that has nothing to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench import machine
from bench.result import Bar, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.run import Run

TURNS = 5


def measure(run: Run) -> Iterator[Row]:
    """Start, wait for 200 at /v2/, a second of idleness, stop."""
    seconds: dict[str, list[float]] = {}
    idle: dict[str, list[float]] = {}
    for _ in range(run.times(TURNS)):
        for peer in run.peers:
            server = run.server(peer)
            run.say(f"start of {peer.name}")
            try:
                seconds.setdefault(peer.name, []).append(server.start())
                time.sleep(1)
                idle.setdefault(peer.name, []).append(machine.resident_mb(server.pid))
            finally:
                server.stop()
    yield Row("start", "start to first answer", "s", seconds, (Bar(0.6, at_most=True),))
    yield Row("start", "idle memory", "MB", idle, (Bar(70, at_most=True),))

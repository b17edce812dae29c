"""What a server's memory grows to while much goes in and out at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import machine
from bench.content import MIB, Fresh, blob_path
from bench.crowd import crowd_beside
from bench.loads.blobs import puller
from bench.loads.pushes import forget, pusher
from bench.result import Bar, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.run import Run

_EACH = 16


def measure(run: Run) -> Iterator[Row]:
    """The highest resident memory under 16 pushes and 16 pulls of 1 GiB at once; one turn."""
    fresh = Fresh(run.content.giant)
    highest: dict[str, list[float]] = {}
    for peer in run.peers:
        if not peer.takes_pushes:
            continue
        with run.serving([peer]) as (server,):
            run.say(f"{_EACH} pushes and pulls at once, {peer.name}")
            server.resume()
            blobs = [fresh.blob() for _ in range(_EACH)]
            path = blob_path(run.content.giant)
            clients = [pusher(server.target, blob) for blob in blobs]
            clients += [puller(server.target, path, [None]) for _ in range(_EACH)]
            _, most = crowd_beside(clients, machine.highest_mb(server.pid))
            forget(server, blobs)
            highest[peer.name] = [most]
            run.say(f"{most:.0f} MB")
    size = round(run.content.giant.size / MIB)
    name = f"highest memory, {_EACH} pushes and {_EACH} pulls of {size} MiB at once"
    yield Row("memory", name, "MB", highest, (Bar(200, at_most=True),))

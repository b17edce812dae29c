"""`kill -9` at any moment."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.crash.pusher import Pusher
from tests.support.images import noise, sha256
from tests.support.processes import eventually
from tests.support.registries import start_lreg
from tests.support.survey import files

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 200
LANES = 2  # registries side by side, as starting one takes longer than most pushes
PUSHERS = 4
WARM = 0.75  # of all lives last until something was acknowledged, however slow the machine is


def leftovers(store: Path) -> list[Path]:
    """Return what lies in lreg's own part of a store on its way to somewhere else."""
    places = (store / "lreg/uploads", store / "lreg/scratch")
    return [each for place in places for each in place.rglob("*")]


def live_and_die(folder: Path, seed: str, kills: int) -> int:
    """Start, push and kill a registry `kills` times; return how many changes it acknowledged."""
    chance = random.Random(seed)
    pushers = [
        Pusher(f"pusher/{number}", random.Random(f"{seed} {number}")) for number in range(PUSHERS)
    ]
    with ThreadPoolExecutor(PUSHERS) as pool:
        for _ in range(kills):
            registry = start_lreg(folder, "--log-level=warning")
            try:
                with registry.wire() as wire:
                    for pusher in pushers:
                        pusher.check(wire, everything=False)
                running = [pool.submit(pusher.run, registry) for pusher in pushers]
                if chance.random() < WARM:
                    wait_for_one(pushers)
                time.sleep(chance.uniform(0.01, 0.2))
            finally:
                registry.process.kill()
            for each in running:
                each.result()

    registry = start_lreg(folder, "--upload-expiry=0s", "--log-level=warning")
    try:
        assert leftovers(registry.store) == []
        with registry.wire() as wire:
            for pusher in pushers:
                pusher.check(wire, everything=True)
        written = files(registry.store)
    finally:
        registry.stop()
    assert {name.rpartition("/")[2] for name in written} == {"data", "link"}
    for name, digest in written.items():
        if name.startswith("blobs/"):
            assert name.endswith(f"/{digest.removeprefix('sha256:')}/data")
    return answers(pushers)


def answers(pushers: list[Pusher]) -> int:
    """Return how many changes were acknowledged so far."""
    return sum(pusher.ledger.answers for pusher in pushers)


def wait_for_one(pushers: list[Pusher]) -> None:
    """Wait until one more change is acknowledged."""
    before = answers(pushers)
    eventually(lambda: answers(pushers) > before)


@pytest.mark.long
def test_200_kills(tmp_path: Path) -> None:
    """Whatever the registry acknowledged survives `kill -9`, at 200 random moments of pushes.

    After each restart every acknowledged blob, manifest, tag and delete is as it was
    acknowledged, and verifies; what was under way is there whole or not at all; no tag points at
    nothing; in the end nothing is left over from uploads that were cut.
    """
    seed = f"{random.randrange(1 << 32):08x}"
    print(f"seed {seed}")  # noqa: T201 -- pytest shows it when the test fails
    folders = [tmp_path / f"{lane}" for lane in range(LANES)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(LANES) as pool:
        seeds = [f"{seed} {folder.name}" for folder in folders]
        told = list(pool.map(live_and_die, folders, seeds, [KILLS // LANES] * LANES))
    assert min(told) > KILLS // LANES / 2, "too few pushes were acknowledged to prove anything"


@pytest.mark.parametrize("cut", [0, 1, 100_000, 300_000])
def test_upload_goes_on_after_a_kill(tmp_path: Path, cut: int) -> None:
    """An upload that a crash of the registry cut goes on where it stood, nothing sent twice."""
    data = noise(300_000, "resumed")
    octets = {"Content-Type": "application/octet-stream"}
    registry = start_lreg(tmp_path)
    with registry.wire() as wire:
        location = wire.start_upload("a/b")
        location = wire.ask("PATCH", location, data[:cut], octets).expect(202).headers["location"]
    registry.process.kill()

    path = location.removeprefix(registry.url)
    registry = start_lreg(tmp_path)
    try:
        with registry.wire() as wire:
            status = wire.ask("GET", path).expect(204)
            assert status.headers["range"] == f"0-{max(cut - 1, 0)}"
            wire.finish_upload(status.headers["location"], sha256(data), data[cut:]).expect(201)
            assert wire.blob("a/b", sha256(data)).body == data
    finally:
        registry.stop()

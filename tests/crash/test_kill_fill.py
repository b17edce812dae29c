"""`kill -9` at any moment of pulls from upstream, with pushes over upstream's tags beside them."""

from __future__ import annotations

import http.client
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.crash.ledger import Ledger
from tests.support.images import hello
from tests.support.mirrors import HASTE, start_mirror
from tests.support.processes import eventually
from tests.support.survey import files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.images import Image
    from tests.support.registries import Running
    from tests.support.wire import Wire

KILLS = 30
PULLERS = 3
WARM = 0.75  # of all lives last until something was acknowledged, however slow the machine is
NAMES = [f"some/app{number}" for number in range(3)]
TAGS = ("v1", "v2", "v3")
SETTINGS = HASTE + 'log-level = "warning"\n[[freshness]]\nmatch = "*"\nttl = "always"\n'
_GONE = (OSError, http.client.HTTPException)


@cache
def version(name: str, number: int) -> Image:
    """Return an image of up to 300 KB."""
    return hello(f"{name} {number}", 50_000 * (number % 7))


@dataclass(slots=True)
class Life:
    """All lives of one registry: what upstream has, and what was promised to the pusher."""

    hub: Upstream
    chance: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    moved: int = 0

    def move(self, name: str, tag: str) -> None:
        """Let a tag move upstream."""
        self.moved += 1
        self.hub.hold(name, version(f"{name} theirs", self.moved), tag)

    def pull(self, registry: Running, seed: str) -> None:
        """Pull at random until the registry is gone; every byte that comes is verified."""
        chance = random.Random(seed)
        try:
            with registry.wire() as wire:
                while True:
                    wire.pull(f"docker.io/{chance.choice(NAMES)}", chance.choice(TAGS))
        except _GONE:
            return

    def push(self, registry: Running) -> None:
        """Push over tags, take pushes away, and move upstream's, until the registry is gone."""
        try:
            with registry.wire() as wire:
                while True:
                    self._change(wire, self.chance.choice(NAMES), self.chance.choice(TAGS))
        except _GONE:
            return

    def _change(self, wire: Wire, name: str, tag: str) -> None:
        key = ("tag", name, tag)
        if self.chance.random() < 0.3:
            self.move(name, tag)
        elif self.ledger.sure.get(key):
            self.ledger.ask({key: ""})
            wire.ask("DELETE", f"/v2/docker.io/{name}/manifests/{tag}").expect(202)
            self.ledger.acknowledge()
        else:
            made = version(f"{name} own", self.chance.randrange(20))
            for blob in made.blobs:
                wire.push_blob(f"docker.io/{name}", blob.data)
            self.ledger.ask({key: made.manifest.digest})
            wire.push_manifest(f"docker.io/{name}", made.manifest, tag)
            self.ledger.acknowledge()

    def wait_for_one(self) -> None:
        """Wait until one more change is acknowledged."""
        before = self.ledger.answers
        eventually(lambda: self.ledger.answers > before)

    def check(self, wire: Wire) -> None:
        """Hold the registry to its word: pushed tags stay, all others are what upstream has."""
        for name in NAMES:
            for tag in TAGS:
                key = ("tag", name, tag)
                theirs = self.hub.held[name].tags[tag]
                found = wire.pull(f"docker.io/{name}", tag)
                self.ledger.settle(key, "" if found == theirs else found)
        self.ledger.open.clear()


@pytest.mark.long
def test_kills_during_fills(tmp_path: Path, hub: Upstream) -> None:
    """At 30 random moments of pulls and pushes: nothing wrong is ever served or kept.

    After each restart a tag that was pushed is what was pushed, and every other one is upstream's
    to change, whatever was under way.
    """
    seed = f"{random.randrange(1 << 32):08x}"
    print(f"seed {seed}")  # noqa: T201 -- pytest shows it when the test fails
    life = Life(hub, random.Random(seed))
    for name in NAMES:
        for tag in TAGS:
            life.move(name, tag)
    with ThreadPoolExecutor(PULLERS + 1) as pool:
        for number in range(KILLS):
            registry = start_mirror(tmp_path, {"docker.io": hub.url}, settings=SETTINGS)
            try:
                with registry.wire() as wire:
                    life.check(wire)
                running = [
                    pool.submit(life.pull, registry, f"{seed} {number} {puller}")
                    for puller in range(PULLERS)
                ]
                running.append(pool.submit(life.push, registry))
                if life.chance.random() < WARM:
                    life.wait_for_one()
                time.sleep(life.chance.uniform(0.01, 0.3))
            finally:
                registry.process.kill()
            for each in running:
                each.result()
    registry = start_mirror(tmp_path, {"docker.io": hub.url}, settings=SETTINGS)
    try:
        with registry.wire() as wire:
            life.check(wire)
            for name in NAMES:
                for tag in TAGS:
                    life.move(name, tag)
            life.check(wire)
        assert life.ledger.answers > KILLS / 2, "too few pushes were acknowledged to prove anything"
        for name, digest in files(registry.store).items():
            if name.startswith("blobs/"):
                assert name.endswith(f"/{digest.removeprefix('sha256:')}/data")
    finally:
        registry.stop()

"""A pusher that does anything at random, and checks afterwards what it was promised."""

from __future__ import annotations

import http.client
from functools import cache
from typing import TYPE_CHECKING

from tests.crash.ledger import Ledger
from tests.support.images import hello, noise, sha256

if TYPE_CHECKING:
    import random

    from tests.crash.ledger import Key
    from tests.support.images import Image
    from tests.support.registries import Running
    from tests.support.wire import Wire

TAGS = ("v1", "v2", "v3")
IMAGES = 12
# Blobs that every pusher pushes, often at the same time.
COMMON = [noise(40_000, f"common {number}") for number in range(4)]


@cache
def one_image(repository: str, number: int) -> Image:
    """Return one of a pusher's images, of up to 240 KB."""
    return hello(f"{repository} {number}", 20_000 * number)


class Pusher:
    """One of many; what it writes under its own repository is its own."""

    def __init__(self, repository: str, chance: random.Random) -> None:
        self.repository = repository
        self.ledger = Ledger()
        self._chance = chance

    def run(self, registry: Running) -> None:
        """Push, move tags and delete until the registry is gone."""
        try:
            with registry.wire() as wire:
                while True:
                    self._step(wire)
        except (OSError, http.client.HTTPException):
            return

    def _step(self, wire: Wire) -> None:
        match self._chance.random():
            case r if r < 0.55:
                self._push_image(wire)
            case r if r < 0.65:
                self._push_blob(wire, self._chance.choice(COMMON))
            case r if r < 0.75:
                self._push_blob(wire, noise(self._chance.randrange(200_000), f"{r}"))
            case r if r < 0.85:
                self._delete_blob(wire)
            case r if r < 0.93:
                self._delete_tag(wire)
            case _:
                self._delete_manifest(wire)

    def _push_image(self, wire: Wire) -> None:
        image = one_image(self.repository, self._chance.randrange(IMAGES))
        for blob in image.blobs:
            self._push_blob(wire, blob.data)
        digest = image.manifest.digest
        changes = {("manifest", self.repository, digest): digest}
        tag = self._chance.choice(("", *TAGS))
        if tag:
            changes["tag", self.repository, tag] = digest
        self.ledger.ask(changes)
        wire.push_manifest(self.repository, image.manifest, tag)
        self.ledger.acknowledge()

    def _push_blob(self, wire: Wire, data: bytes) -> None:
        digest = sha256(data)
        self.ledger.ask({("blob", self.repository, digest): digest})
        if self._chance.random() < 0.3:
            wire.push_chunked(self.repository, data, 30_000)
        else:
            wire.push_blob(self.repository, data)
        self.ledger.acknowledge()

    def _delete_blob(self, wire: Wire) -> None:
        """Delete one that no image of this pusher needs."""
        self._delete("blob", wire, [sha256(data) for data in COMMON])

    def _delete_tag(self, wire: Wire) -> None:
        self._delete("tag", wire, TAGS)

    def _delete_manifest(self, wire: Wire) -> None:
        held = [key[2] for key, on in self.ledger.sure.items() if key[0] == "manifest" and on]
        if held:
            self._delete("manifest", wire, held)

    def _delete(self, kind: str, wire: Wire, names: list[str] | tuple[str, ...]) -> None:
        name = self._chance.choice(names)
        key = (kind, self.repository, name)
        path = "blobs" if kind == "blob" else "manifests"
        held = self.ledger.sure.get(key, "")
        changes = {key: ""}
        if kind == "manifest":
            changes |= dict.fromkeys(self.ledger.tags_on(self.repository, name), "")
        self.ledger.ask(changes)
        answer = wire.ask("DELETE", f"/v2/{self.repository}/{path}/{name}")
        answer.expect(202 if held else 404)
        self.ledger.acknowledge()

    def check(self, wire: Wire, *, everything: bool) -> None:
        """Hold the registry to its word.

        Args:
            wire: a connection to it, restarted.
            everything: every key, each byte verified; else only what was open at the crash, and
                a few more.
        """
        ledger = self.ledger
        keys = list({*ledger.sure, *ledger.open})
        if not everything:
            keys = [*ledger.open, *self._chance.sample(keys, min(5, len(keys)))]
        for key in keys:
            ledger.settle(key, self._find(wire, key))
        ledger.open.clear()
        listed = wire.tags(self.repository)
        on = {key[2] for key, digest in ledger.sure.items() if key[0] == "tag" and digest}
        assert set(listed) == on
        for tag in listed if everything else listed[:1]:
            assert wire.pull(self.repository, tag) == ledger.sure["tag", self.repository, tag]

    def _find(self, wire: Wire, key: Key) -> str:
        kind, repository, name = key
        answer = wire.blob(repository, name) if kind == "blob" else wire.manifest(repository, name)
        return "" if answer.expect(200, 404).status == 404 else sha256(answer.body)

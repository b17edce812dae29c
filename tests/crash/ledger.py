"""What a pusher was told, and so may count on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple[str, str, str]
"""blob, manifest or tag; a repository; a digest or a tag."""


@dataclass(slots=True)
class Ledger:
    """Every promise that the registry made to one pusher, the only one to write these keys.

    Attributes:
        sure: the digest that has to be found under a key; "" where nothing may be.
        open: changes that were asked for and not answered: either value is right.
        answers: how many changes were acknowledged.
    """

    sure: dict[Key, str] = field(default_factory=dict)
    open: dict[Key, str] = field(default_factory=dict)
    answers: int = 0

    def ask(self, changes: Mapping[Key, str]) -> None:
        """Note what a request that is about to be sent may change."""
        self.open |= changes

    def acknowledge(self) -> None:
        """Note that the request was answered: its changes are promises now."""
        self.sure |= self.open
        self.open.clear()
        self.answers += 1

    def allowed(self, key: Key) -> set[str]:
        """Return what may be found under a key after a crash."""
        found = {self.sure.get(key, "")}
        return found | {self.open[key]} if key in self.open else found

    def settle(self, key: Key, found: str) -> None:
        """Hold what was found after a crash to what was promised; from now on it is sure."""
        assert found in self.allowed(key), f"{key}: {found!r}, not {self.allowed(key)}"
        self.sure[key] = found

    def tags_on(self, repository: str, digest: str) -> list[Key]:
        """Return the tags that are on a manifest."""
        wanted = ("tag", repository)
        return [key for key, on in self.sure.items() if key[:2] == wanted and on == digest]

"""What a copy tells while it runs, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest


class Outcome(StrEnum):
    """How a piece of content came to be at the target."""

    COPIED = "copied"
    MOUNTED = "mounted"
    SKIPPED = "skipped"


class Progress(Protocol):
    """Hears of every manifest and blob; called from the event loop, must return at once."""

    def started(self, descriptor: Descriptor) -> None:
        """The bytes of `descriptor` begin to move; a second call means: from the start again."""

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """`count` more bytes moved."""

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """The content is at the target; without a `started` before, no byte moved."""


class Silent:
    """A Progress that nobody watches."""

    def started(self, descriptor: Descriptor) -> None:
        """Ignore it."""

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """Ignore it."""

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Ignore it."""


class Together:
    """Several copies that are watched as one: what two of them move is told of by the first."""

    def __init__(self) -> None:
        self._first: dict[Digest, _One] = {}

    def one(self, progress: Progress) -> Progress:
        """Return the Progress for one of them; `progress` hears what is its to tell."""
        return _One(progress, self._first)


class _One:
    def __init__(self, progress: Progress, first: dict[Digest, _One]) -> None:
        self._progress = progress
        self._first = first

    def started(self, descriptor: Descriptor) -> None:
        if self._is_first(descriptor):
            self._progress.started(descriptor)

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        if self._is_first(descriptor):
            self._progress.advanced(descriptor, count)

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        if self._is_first(descriptor):
            self._progress.done(descriptor, outcome)

    def _is_first(self, descriptor: Descriptor) -> bool:
        return self._first.setdefault(descriptor.digest, self) is self


@dataclass(slots=True)
class Tally:
    """How many pieces of content, and how many bytes."""

    count: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        """Count one more, of `size` bytes."""
        self.count += 1
        self.size += size


@dataclass(frozen=True, slots=True)
class Moved:
    """How much content came to where it is in which way.

    Attributes:
        copied: what was sent, manifests included.
        mounted: what the target registry linked from another of its repositories.
        skipped: what was there already.
    """

    copied: Tally = field(default_factory=Tally)
    mounted: Tally = field(default_factory=Tally)
    skipped: Tally = field(default_factory=Tally)

    def count(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Note what became of `descriptor`."""
        tally: Tally = getattr(self, outcome.value)
        tally.add(descriptor.size)


@dataclass(frozen=True, slots=True)
class Copied(Moved):
    """What a copy did.

    Attributes:
        root: the manifest or index that now stands under the target's tag.
        referrers: how many manifests that refer to it, or to those, came along.
    """

    root: Descriptor = field(kw_only=True)
    referrers: int = field(default=0, kw_only=True)

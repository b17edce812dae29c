"""Copies that are watched together, and copies that ask nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.client.copy import Options, copy_image
from lreg.client.credentials import Only
from lreg.client.progress import Outcome, Together
from lreg.client.registry import Registry
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.reference import Tag
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.upstream import Upstream
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository

ONE = Tag("1")


class Told:
    """A progress that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, descriptor: Descriptor) -> None:
        """Write it down."""
        self.lines.append(f"{descriptor.media_type} started")

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """Write it down."""
        self.lines.append(f"{descriptor.media_type} {count}")

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Write it down."""
        self.lines.append(f"{descriptor.media_type} {outcome}")


def test_what_two_copies_move_is_told_once() -> None:
    """A layer of two images that move at once has one bar, which the first of them moves."""
    told, together = Told(), Together()
    one, other = together.one(told), together.one(told)
    shared, own = (Descriptor(name, Digest.of(name.encode()), 9) for name in ("shared", "own"))
    one.started(shared)
    other.started(shared)
    other.started(own)
    other.advanced(shared, 5)
    one.advanced(shared, 9)
    other.done(shared, Outcome.COPIED)
    one.done(shared, Outcome.COPIED)
    other.done(own, Outcome.COPIED)
    assert told.lines == [
        "shared started",
        "own started",
        "shared 9",
        "shared copied",
        "own copied",
    ]


async def test_nothing_is_asked(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A copy that is told so asks the target for nothing, whatever that would say.

    A registry that caches another would ask that one, which may be out of reach.
    """
    manifest = upstream.put_image(NAME, "1", b"layer")
    async with Upstream("127.0.0.2") as target:
        target.script.add("HEAD", "", Fault(hang_up=True), ALWAYS)
        target.script.add("GET", "manifests", Fault(hang_up=True), ALWAYS)
        async with Registry(target.host, credentials=Only(None), patience=HASTE) as registry:
            mine = registry.repository(target.repository("mine"))
            copied = await copy_image(alpine, ONE, mine, ONE, options=Options(ask=False))
        assert copied.copied.count == 3
        assert target.held["mine"].tags == {"1": str(manifest.digest)}

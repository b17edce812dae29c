"""What commands that carry images say when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lreg.cli.carrying.copied import moved_json
from lreg.cli.output.text import print_json
from lreg.client.progress import Moved
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.client.progress import Outcome, Progress
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest


class Counted:
    """A Progress that counts each piece of content once, and tells another.

    Attributes:
        moved: what became of how much.
    """

    def __init__(self, progress: Progress) -> None:
        self.moved = Moved()
        self._progress = progress
        self._counted: set[Digest] = set()

    def started(self, descriptor: Descriptor) -> None:
        """Tell it."""
        self._progress.started(descriptor)

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """Tell it."""
        self._progress.advanced(descriptor, count)

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Count it, and tell it."""
        self.count(descriptor, outcome)
        self._progress.done(descriptor, outcome)

    def count(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Count it, unless it is counted."""
        if descriptor.digest not in self._counted:
            self._counted.add(descriptor.digest)
            self.moved.count(descriptor, outcome)


@dataclass(frozen=True, slots=True)
class CarriedImage:
    """An image that was carried.

    Attributes:
        source: where it was.
        target: what it is called where it is now.
        root: its manifest or index.
        origin: what that counts as there, `pushed` or `cached`; "" where nothing tells.
    """

    source: str
    target: str
    root: Descriptor
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the images that a command was to carry, and how long it took in seconds."""

    images: Sequence[CarriedImage]
    moved: Moved
    seconds: float


def stdout_free(output: str, *, as_json: bool) -> None:
    """Raise UsageError where both what is written and JSON are to go to stdout.

    Args:
        output: where to that is; - is stdout.
        as_json: whether JSON is wanted.
    """
    if output == "-" and as_json:
        raise UsageError("--json prints to stdout, where the images are to go: give a FILE")


def report(result: Result, *, quiet: bool, as_json: bool, to_stderr: bool) -> None:
    """Print what was carried.

    Args:
        result: that.
        quiet: print no lines.
        as_json: print JSON.
        to_stderr: whether lines go there, for stdout may be what was written.
    """
    if as_json:
        print_json(_json(result))
    elif not quiet:
        for image in result.images:
            digest = "" if "@" in image.target else f"@{image.root.digest}"
            click.echo(f"{image.target}{digest}", err=to_stderr)


def _json(result: Result) -> dict[str, Any]:
    return {
        "images": list(map(_image_json, result.images)),
        **moved_json(result.moved),
        "seconds": round(result.seconds, 3),
    }


def _image_json(image: CarriedImage) -> dict[str, str]:
    fields = {
        "source": image.source,
        "target": image.target,
        "digest": str(image.root.digest),
        "media_type": image.root.media_type,
    }
    return fields | ({"origin": image.origin} if image.origin else {})

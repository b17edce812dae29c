"""How a copy goes, on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lreg.cli.output.text import human_size, printable
from lreg.client.progress import Outcome, Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest

_WORDS = {
    Outcome.COPIED: "copied",
    Outcome.MOUNTED: "mounted",
    Outcome.SKIPPED: "already there",
}


@contextmanager
def shown(*, quiet: bool) -> Iterator[Progress]:
    """Give what shows the progress of a copy while the context lasts.

    Args:
        quiet: show nothing.
    """
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield Moving(bars)
    else:
        yield Lines(lambda line: click.echo(line, err=True))


def line_of(descriptor: Descriptor, outcome: Outcome) -> str:
    """Return the line that says what became of a piece of content."""
    return f"{descriptor.digest.short}  {_WORDS[outcome]}, {human_size(descriptor.size)}"


class Lines(Silent):
    """One line for each piece of content that is at the target.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Say it."""
        self._say(line_of(descriptor, outcome))


class Moving:
    """A bar for each piece of content that moves, a line for each that is there."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[Digest, TaskID] = {}

    def started(self, descriptor: Descriptor) -> None:
        """Show its bar, empty."""
        if (task := self._tasks.get(descriptor.digest)) is None:
            self._tasks[descriptor.digest] = self._bars.add_task(
                descriptor.digest.short, total=descriptor.size
            )
        else:
            self._bars.reset(task)

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """Fill its bar by `count` bytes."""
        self._bars.advance(self._tasks[descriptor.digest], count)

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Put a line in the place of its bar."""
        if (task := self._tasks.pop(descriptor.digest, None)) is not None:
            self._bars.remove_task(task)
        self._bars.console.print(line_of(descriptor, outcome), highlight=False)


class Steps:
    """What is done, one line for each step, and how many bytes by now where it can be seen."""

    def __init__(self, say: Callable[[str], object], bars: Bars | None = None) -> None:
        """Make one.

        Args:
            say: prints a line.
            bars: where to show the bytes.
        """
        self.say = say
        self._bars = bars
        self._task = bars.add_task("", total=None) if bars else None

    def told(self, count: int) -> None:
        """Count more bytes."""
        if self._bars and self._task is not None:
            self._bars.advance(self._task, count)


@contextmanager
def stepping(*, quiet: bool) -> Iterator[Steps]:
    """Give what shows steps while the context lasts.

    Args:
        quiet: show nothing.
    """
    if quiet:
        yield Steps(lambda _line: None)
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield Steps(
                lambda line: bars.console.print(printable(line), markup=False, highlight=False),
                bars,
            )
    else:
        yield Steps(lambda line: click.echo(printable(line), err=True))


def _bars() -> Bars:
    # Only a terminal has to wait for rich.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )

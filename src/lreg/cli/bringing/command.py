"""What the commands share that bring images: which platforms, how many at a time, the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from lreg.admin.codec import to_json
from lreg.admin.values import ALL_PLATFORMS
from lreg.cli import INTERRUPTED
from lreg.cli.options.printing import quiet_option
from lreg.cli.output.text import human_seconds, human_size, print_json
from lreg.errors import UsageError
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Sequence

    from lreg.admin.events import Brought, End
    from lreg.cli.bringing.bring import Bringing

F = TypeVar("F", bound=Callable[..., Any])


def bring_options(function: F) -> F:
    """Give a command `--platform`, `--all-platforms`, `--referrers`, `--jobs` and the usual two."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option(
        "--platform",
        "platforms",
        multiple=True,
        callback=lambda _ctx, _param, texts: tuple(map(Platform.parse, texts)),
        metavar="OS/ARCH",
        help="Of an index bring this image; may be repeated.  [default: as the registry is set to, "
        "else its own platform]",
    ),
    click.option("--all-platforms", is_flag=True, help="Of an index bring every image."),
    click.option("--referrers", is_flag=True, help="Bring signatures and other referrers too."),
    click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=4,
        metavar="COUNT",
        help="Images at a time, 1 to 64.  [default: 4]",
    ),
    quiet_option,
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)


def chosen(platforms: Sequence[Platform], *, every: bool) -> tuple[str, ...]:
    """Return which images of an index are wanted, as `Wanted` has them.

    Raises:
        UsageError: some are named, and all are wanted.
    """
    if every and platforms:
        raise UsageError("--platform and --all-platforms exclude each other")
    return (ALL_PLATFORMS,) if every else tuple(map(str, platforms))


def bring(
    ctx: click.Context,
    work: Coroutine[Any, Any, Bringing],
    *,
    quiet: bool,
    as_json: bool,
    guessed: Collection[str] = (),
) -> NoReturn:
    """Bring images, print what became of them, and exit.

    Args:
        ctx: the command.
        work: what brings them.
        quiet: print errors only.
        as_json: print JSON.
        guessed: images whose failure is no error.
    """
    try:
        found = asyncio.run(work)
    except KeyboardInterrupt:
        click.echo("lreg: stopped: what came stays, the same command goes on from there", err=True)
        ctx.exit(INTERRUPTED)
    ctx.exit(_report(found, quiet=quiet, as_json=as_json, guessed=guessed))


def _report(found: Bringing, *, quiet: bool, as_json: bool, guessed: Collection[str]) -> int:
    """Print what became of the images; return the exit code."""
    if as_json:
        print_json(_json(found))
    elif not quiet:
        for line in _lines(found):
            click.echo(line)
    for one in found.failed:
        guess = " (it was guessed)" if one.image in guessed else ""
        click.echo(f"lreg: {one.image}: {one.why}{guess}", err=True)
    return next((one.exit_code for one in found.failed if one.image not in guessed), 0)


def _lines(found: Bringing) -> list[str]:
    lines = list(map(_line, found.brought))
    end = found.end
    lines.append(
        f"{human_size(end.fetched.size)} fetched, {human_size(end.here.size)} here already, "
        f"{human_seconds(end.seconds)}"
    )
    return lines


def _line(one: Brought) -> str:
    name = one.image if "@" in one.image else f"{one.image}@{one.digest}"
    return name if one.referrers is None else f"{name}  referrers: {one.referrers}"


def _json(found: Bringing) -> dict[str, Any]:
    failed = [{"image": one.image, "error": one.why} for one in found.failed]
    images = [*map(_without_event, found.brought), *failed]
    return {"images": images, **_without_event(found.end)}


def _without_event(value: Brought | End) -> dict[str, Any]:
    return {name: field for name, field in to_json(value).items() if name != "event"}

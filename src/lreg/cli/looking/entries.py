"""What the commands that look into images have in common: options, and how a file is shown."""

from __future__ import annotations

import functools
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.output.text import printable
from lreg.images.engines import NAMES

if TYPE_CHECKING:
    from lreg.images.contents.entries import Entry
    from lreg.oci.platform import Platform

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """Where an image is that is looked into.

    Attributes:
        access: how to reach its registry.
        platform: of an index this image; None: this machine's.
        engine: the engine of this machine that holds it; None: a registry does.
    """

    access: Access
    platform: Platform | None
    engine: str | None


def looking_options(function: F) -> F:
    """Give a command `--platform`, `--from`, `--insecure` and `--ca`: it gets `where`."""

    @functools.wraps(function)
    def wrapped(
        *args: Any,
        platform: Platform | None,
        engine: str | None,
        access: Access,
        **options: Any,
    ) -> Any:
        return function(*args, where=Where(access, platform, engine), **options)

    decorated: Any = access_options(wrapped)
    decorated = click.option(
        "--from",
        "engine",
        type=click.Choice(NAMES),
        help="Look into what this engine holds.  [default: into the registry]",
    )(decorated)
    decorated = platform_option("Of an index this image.  [default: this machine's]")(decorated)
    return cast("F", decorated)


def long_line(entry: Entry) -> str:
    """Return a file as `ls -l` and `tar tv` show it."""
    size = "{},{}".format(*entry.device) if entry.device != (0, 0) else str(entry.size)
    link = f" -> {entry.target}" if entry.is_link else f" link to {entry.target}"
    return (
        f"{stat.filemode(entry.mode)} {entry.uid}/{entry.gid} {size:>10} {_moment(entry.mtime)} "
        f"{printable(entry.path)}{printable(link) if entry.target else ''}"
    )


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):  # before the year 1 or after 9999
        return f"@{seconds:.0f}"


def as_json(entry: Entry) -> dict[str, Any]:
    """Return the JSON object of a file; sizes are in bytes, times in seconds since 1970."""
    fields: dict[str, Any] = {
        "path": entry.path,
        "type": "link" if entry.hard else _KINDS[stat.S_IFMT(entry.mode)],
        "mode": f"{stat.S_IMODE(entry.mode):04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime,
    }
    if entry.target:
        fields["target"] = entry.target
    return fields


_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character-device",
    stat.S_IFBLK: "block-device",
    stat.S_IFIFO: "fifo",
}

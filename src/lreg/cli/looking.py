"""What the commands that look into images have in common: options, and how a file is shown."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.cli.access import access_options, platform_option
from lreg.cli.output import printable

if TYPE_CHECKING:
    from lreg.images.contents.entries import Entry

F = TypeVar("F", bound=Callable[..., Any])


def looking_options(function: F) -> F:
    """Give a command `--platform`, `--insecure` and `--ca`."""
    return platform_option("Of an index this image.  [default: this machine's]")(
        access_options(function)
    )


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

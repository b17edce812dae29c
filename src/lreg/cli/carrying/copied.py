"""What a copy did, in one line and as JSON: of `lreg copy` and of `lreg upload`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.cli.output.text import human_seconds, human_size

if TYPE_CHECKING:
    from lreg.client.progress import Copied, Moved, Tally
    from lreg.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did.

    Attributes:
        source: the image as it was asked for, or where it came from.
        target: where it stands now: with its tag, or with its digest where it has none.
        copied: what moved.
        seconds: how long it took.
    """

    source: Reference | str
    target: Reference
    copied: Copied
    seconds: float


def result_line(result: CopyResult) -> str:
    """Return the one line that says what a copy did."""
    copied = result.copied
    parts = [
        f"{human_size(copied.copied.size)} copied",
        f"{human_size(copied.mounted.size)} mounted" if copied.mounted.count else "",
        f"{human_size(copied.skipped.size)} already there" if copied.skipped.count else "",
        human_seconds(result.seconds),
    ]
    digest = "" if result.target.digest else f"@{copied.root.digest}"
    return f"{result.target}{digest}: {', '.join(filter(None, parts))}"


def result_json(result: CopyResult) -> dict[str, Any]:
    """Return the JSON object that says what a copy did; sizes are in bytes."""
    copied = result.copied
    return {
        "source": str(result.source),
        "target": str(result.target),
        "digest": str(copied.root.digest),
        "media_type": copied.root.media_type,
        **moved_json(copied),
        "seconds": round(result.seconds, 3),
    }


def moved_json(moved: Moved) -> dict[str, dict[str, int]]:
    """Return the fields that say how much moved; sizes are in bytes."""
    return {
        "copied": _tally(moved.copied),
        "mounted": _tally(moved.mounted),
        "already_there": _tally(moved.skipped),
    }


def _tally(tally: Tally) -> dict[str, int]:
    return {"count": tally.count, "size": tally.size}

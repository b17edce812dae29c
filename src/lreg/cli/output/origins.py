"""How `lreg ls` says where a tag is from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lreg.admin.values import ImageState


def origin_of(image: ImageState) -> str:
    """Return in a few words where a tag is from; "" for a repository without tags."""
    words = image.origin
    if image.over:
        words += f" over {image.over.host}"
        if image.over.digest:
            words += f" ({short(image.over.digest)})"
    if image.gone:
        words += ", gone upstream"
    if image.until is not None:
        words += f" until {moment(image.until)}"
    if image.answers_for:
        words += f", answers for {' and '.join(image.answers_for)}"
    return f"{words}, pinned" if image.pinned else words


def short(digest: str) -> str:
    """Return a digest with the first twelve of its digits: `sha256:0123456789ab`."""
    algorithm, _, digits = digest.partition(":")
    return f"{algorithm}:{digits[:12]}"


def moment(seconds: float) -> str:
    """Return a time as this machine's clocks show it: `2026-03-01 12:00`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

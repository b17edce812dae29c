"""Small content in memory, right for as long as its link file has not changed on disk."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING

from lreg.store.files import stamp_of

if TYPE_CHECKING:
    from lreg.store.caching import Tagged
    from lreg.store.files import Stamp
    from lreg.store.protocol import Held

DEFAULT_BUDGET = 32 << 20
_MOST_LINKS = 16384

# Of a tag's link and of its record, None for a record that is not there.
Stamps = tuple["Stamp", "Stamp | None"]


class Memory:
    """What was read lately: links, each with its stamp, and the content behind them.

    Bounded by `budget` bytes of content (least recently used goes first; one item may take an
    eighth) and by 16384 links (about 0.5 KiB each). Used on the event loop only, but for
    `content`.
    """

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self._budget = budget
        self._links: OrderedDict[str, tuple[Stamp, str]] = OrderedDict()
        self._contents: OrderedDict[str, Held] = OrderedDict()
        self.size = 0

    def recall(self, path: str) -> Held | None:
        """Return what lies behind the link file at `path`, if that is known and still so."""
        if (entry := self._links.get(path)) is None:
            return None
        stamp, key = entry
        try:
            unchanged = stamp_of(os.stat(path)) == stamp
        except OSError:
            unchanged = False
        held = self._contents.get(key)
        if not unchanged or held is None:
            del self._links[path]
            return None
        self._links.move_to_end(path)
        self._contents.move_to_end(key)
        return held

    def content(self, hexadecimal: str, kind: str) -> Held | None:
        """Return content by the hexadecimal part of its digest; safe to call in any thread."""
        return self._contents.get(kind + hexadecimal)

    def remember(self, path: str, stamp: Stamp | None, held: Held, kind: str) -> None:
        """Keep what lies behind the link file at `path`, which had `stamp` when it was read."""
        if stamp is None or held.size > self._budget // 8:
            return
        key = kind + held.digest.hex
        if key not in self._contents:
            self._contents[key] = held
            self.size += held.size
        self._contents.move_to_end(key)
        self._links[path] = stamp, key
        self._links.move_to_end(path)
        while self.size > self._budget:
            _, gone = self._contents.popitem(last=False)
            self.size -= gone.size
        while len(self._links) > _MOST_LINKS:
            self._links.popitem(last=False)


class Meanings:
    """What tags mean, read lately: right for as long as neither link nor record has changed.

    Up to 16384 tags, about 0.5 KiB each. Used on the event loop only.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Stamps, Tagged]] = OrderedDict()

    def recall(self, link: str, record: str) -> Tagged | None:
        """Return what the tag with these files means, if that is known and still so."""
        if (entry := self._kept.get(link)) is None:
            return None
        if entry[0] != (_stamp(link), _stamp(record)):
            del self._kept[link]
            return None
        self._kept.move_to_end(link)
        return entry[1]

    def remember(self, link: str, stamps: Stamps, tagged: Tagged) -> None:
        """Keep what a tag means.

        Args:
            link: the tag's link file.
            stamps: of its files when they were read.
            tagged: what they said.
        """
        self._kept[link] = stamps, tagged
        self._kept.move_to_end(link)
        if len(self._kept) > _MOST_LINKS:
            self._kept.popitem(last=False)


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return None

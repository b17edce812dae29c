"""What is known of a tag besides its target: `lreg.json` in the tag's folder, gone when that goes.

Whatever a record says of a version is bound to that version's digest, so moving the tag is one
rename, as ever: a record written just before says the right thing of the old target and of the
new one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Self

from lreg.errors import DigestInvalid
from lreg.oci.digest import Digest
from lreg.store.caching import TagRecord


@dataclass(frozen=True, slots=True)
class Record:
    """A tag's record as it lies on disk; times are in seconds since 1970.

    Attributes:
        fetched: the targets that are upstream's; any other was pushed.
        upstream: what upstream had when it was last asked.
        checked: when that was; 0: never.
        ends: a target that was pushed for a time.
        until: the end of that time.
        pinned: whether its content is never evicted.
        gone: whether upstream had no such tag any more when it was last asked.
    """

    fetched: tuple[Digest, ...] = ()
    upstream: Digest | None = None
    checked: float = 0.0
    ends: Digest | None = None
    until: float | None = None
    pinned: bool = False
    gone: bool = False

    @classmethod
    def parse(cls, raw: bytes | None) -> Record:
        """Return the record in a file; what can't be read says nothing, so the tag was pushed."""
        try:
            fields = json.loads(raw or b"{}")
            until = fields.get("until") or {}
            return cls(
                fetched=tuple(map(Digest.parse, fields.get("fetched", ()))),
                upstream=_digest(fields.get("upstream")),
                checked=float(fields.get("checked", 0.0)),
                ends=_digest(until.get("digest")),
                until=float(until["time"]) if until else None,
                pinned=fields.get("pinned") is True,
                gone=fields.get("gone") is True,
            )
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError, DigestInvalid):
            return cls()

    def render(self) -> bytes:
        """Return what to write into the file."""
        fields: dict[str, Any] = {"fetched": list(map(str, self.fetched))}
        if self.upstream:
            fields |= {"upstream": str(self.upstream), "checked": self.checked}
        if self.ends:
            fields["until"] = {"digest": str(self.ends), "time": self.until}
        if self.pinned:
            fields["pinned"] = True
        if self.gone:
            fields["gone"] = True
        return json.dumps(fields, indent=1).encode() + b"\n"

    def of(self, target: Digest) -> TagRecord:
        """Return what the record says of a tag that points at `target`."""
        cached = target in self.fetched
        until = self.until if self.ends == target and not cached else None
        return TagRecord(cached, self.upstream, self.checked, until, self.pinned, self.gone)

    def pushed(self, target: Digest) -> Self:
        """Return the record of a tag to which `target` is about to be pushed."""
        fetched = tuple(digest for digest in self.fetched if digest != target)
        if self.ends == target:
            return replace(self, fetched=fetched, ends=None, until=None)
        return replace(self, fetched=fetched)

    def moved(self, old: Digest | None, new: Digest) -> Self:
        """Return the record of a tag that is about to point at upstream's `new` instead of `old`.

        Until it does, `old` is what it was.
        """
        kept = tuple(digest for digest in self.fetched if digest == old != new)
        return replace(self.pushed(new), fetched=(*kept, new))


def _digest(value: object) -> Digest | None:
    return None if value is None else Digest.parse(str(value))

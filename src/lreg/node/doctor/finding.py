"""What a check found, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: which it is: `runtime`, `files`, `names`, `registry`, `clock`, `tls` or `pull`.
        ok: whether all is well.
        said: what is so, in words.
        mend: what to do about it; "" where all is well.
    """

    check: str
    ok: bool
    said: str
    mend: str = ""


def good(check: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(check, ok=True, said=said)


def bad(check: str, said: str, mend: str) -> Finding:
    """Return what is wrong, and what to do."""
    return Finding(check, ok=False, said=said, mend=mend)

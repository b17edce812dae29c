"""What `--chmod` says: octal, or as chmod(1) has it."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


def parse_mode(text: str) -> Callable[[int], int]:
    """Return what gives a file's new mode, its type with it, for the one that it has.

    Raises:
        UsageError: it is no mode.
    """
    if re.fullmatch(r"0*[0-7]{1,4}", text):
        octal = int(text, 8)
        return lambda mode: stat.S_IFMT(mode) | octal
    clauses = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    if not all(clauses):
        raise UsageError(f"--chmod={text:.80} is no mode such as 755 or u=rwX,go=rX")
    steps = [
        (clause[1] or "a", sign, letters)
        for clause in clauses
        if clause
        for sign, letters in _ACTION.findall(clause[2])
    ]

    def changed(mode: int) -> int:
        for who, sign, letters in steps:
            mode = _step(mode, who.replace("a", "ugo"), sign, letters)
        return mode

    return changed


def _step(mode: int, who: str, sign: str, letters: str) -> int:
    if "X" in letters and (stat.S_ISDIR(mode) or mode & 0o111):
        letters += "x"
    mask = bits = 0
    for one in who:
        mask |= 7 << _SHIFTS[one]
        bits |= sum(_BITS.get(letter, 0) for letter in set(letters)) << _SHIFTS[one]
    if "s" in letters:
        bits |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    if "t" in letters:
        bits |= stat.S_ISVTX
    match sign:
        case "+":
            return mode | bits
        case "-":
            return mode & ~bits
    return (mode & ~mask) | bits

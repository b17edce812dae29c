"""/etc/hosts: our lines between marks, before a line of its owner's that would win over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.node.hosts import BEGIN, END, merge_hosts, without_block

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKS = (BEGIN, END)


def together(blocks: Iterable[str]) -> str:
    """Return one block with the lines of all, each name as the last one has it."""
    lines: dict[str, str] = {}
    for block in blocks:
        lines |= {_names(line)[-1]: line for line in block.splitlines() if line not in _MARKS}
    return "".join(f"{line}\n" for line in (BEGIN, *lines.values(), END))


def merged(text: str, block: str) -> str:
    """Return a hosts file with the block in it; the rest stays as it is.

    It stands at the end, or before the first line of the owner's that has one of its names: the
    first line with a name is the one that counts (hosts(5)).
    """
    own = without_block(text)
    ours = {name for line in block.splitlines() if line not in _MARKS for name in _names(line)}
    lines = own.splitlines(keepends=True)
    at = next((n for n, line in enumerate(lines) if ours & set(_names(line))), None)
    if at is None:
        return merge_hosts(own, block)
    return "".join([*lines[:at], block, *lines[at:]])


def _names(line: str) -> list[str]:
    return line.partition("#")[0].split()[1:]

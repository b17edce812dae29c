"""The VM's kernel, and which of its modules the VM needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.needs import KERNEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_WANTED = ("virtio_pci", "virtio_net", "virtio_blk", "isofs", "overlay")
_DEPENDS = re.compile(rb"depends=([^\0]*)\0")


def modules() -> Iterator[Path]:
    """Yield the modules' files in the order in which they are loaded.

    One that is built into the kernel has none.
    """
    found = {each.name.partition(".")[0]: each for each in KERNEL.parent.rglob("*.ko")}
    loaded: set[str] = set()

    def load(names: Iterable[str]) -> Iterator[Path]:
        for name in names:
            if name in found and name not in loaded:
                loaded.add(name)
                needs = _DEPENDS.search(found[name].read_bytes())
                yield from load(needs[1].decode().split(",") if needs else ())
                yield found[name]

    yield from load(_WANTED)

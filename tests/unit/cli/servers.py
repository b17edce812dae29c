"""Servers that the commands under test find, without one that runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.cli.registries import running
from lreg.cli.registries.running import Running

if TYPE_CHECKING:
    from pathlib import Path

_STATE = Running(pid=1, urls=(), started=0.0, version="0", grace=30.0)


def listens(store: Path, *urls: str, ca: Path | None = None) -> None:
    """Announce that the lreg of a store listens there."""
    running.announce(store, replace(_STATE, urls=urls, ca=str(ca) if ca else None))

"""Where the files of this user lie."""

from __future__ import annotations

from pathlib import Path


def home() -> Path:
    """Return this user's home folder; / for one who has none, as in a container."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")

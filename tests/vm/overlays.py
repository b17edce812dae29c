"""The xcluster overlay of this repository, as xcluster makes and unpacks it."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import Said, attempt, clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

PRIVATE_REG = Path(__file__).parents[2] / "ovl/private-reg"


def make(home: Path, out: str = "-", inside: Sequence[str] = (), **env: str) -> Said:
    """Run its `tar`, whatever comes.

    Args:
        home: of who runs it.
        out: its out-file.
        inside: what to put before the command.
        env: what xcluster's user has set.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = clean_environment(home, LREG_STORE=str(home / "store"), PATH=path)
    return attempt(*inside, str(PRIVATE_REG / "tar"), out, env=own | env, cwd=PRIVATE_REG)


def texts(overlay: str) -> dict[str, str]:
    """Return what the files of a tar hold, by path."""
    with tarfile.open(fileobj=io.BytesIO(overlay.encode())) as tar:
        files = ((each, tar.extractfile(each)) for each in tar)
        return {entry.name: file.read().decode() for entry, file in files if file}


def spoofs(folder: Path) -> str:
    """Write a list of names for `$__dns_spoof` and return its path."""
    file = folder / "spoofs"
    file.write_text("# Docker Hub\ndocker.io\n\nregistry.k8s.io  # and its mirror\nquay.io\n")
    return str(file)

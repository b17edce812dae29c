"""Programs that render what is to be read, where they are here."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Sequence

# A program that asks the network for something may wait for ever.
_PATIENCE = 120.0
_ERROR = re.compile(r"\berr(?:or)?\b", re.IGNORECASE)


def output_of(argv: Sequence[str]) -> str:
    """Return what a program prints.

    Raises:
        LregError: it failed, or took more than two minutes; says why.
    """
    name = argv[0].rpartition("/")[2]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise LregError(f"{name} took more than {_PATIENCE:.0f} s") from None
    except OSError as error:
        raise LregError(f"{name} can't be started: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")
        # What went wrong stands first, or after warnings, and what may be done about it last.
        at = next((at for at, line in enumerate(said) if _ERROR.search(line)), -1)
        why = " ".join(said[at : at + 2]) if said[at].endswith("<") else said[at]
        raise LregError(f"{name} failed: {why or 'it says nothing':.300}")
    return done.stdout.decode(errors="replace")

"""``python -m tests.tools NAME…``: build pinned Go programs and print where they are."""

from __future__ import annotations

import sys

from tests.tools import TOOLS, ToolUnavailable, build


def main(names: list[str]) -> int:
    """Build each name, or every program when none is given; 0 when all are there."""
    for name in names or TOOLS:
        try:
            sys.stdout.write(f"{build(name)}\n")
        except ToolUnavailable as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

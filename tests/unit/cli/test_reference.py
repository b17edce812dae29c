"""docs/reference.md: as current as the program."""

from __future__ import annotations

from pathlib import Path

from lreg.cli import COMMANDS
from lreg.cli.reference import reference
from lreg.config import SETTINGS

PAGE = Path(__file__).parents[3] / "docs" / "reference.md"


def test_the_reference_is_current() -> None:
    """What docs/reference.md says is what the program declares (else: `make reference`)."""
    assert PAGE.read_text() == reference(), "stale: run `make reference`"


def test_nothing_is_left_out() -> None:
    """Every setting and every command is documented."""
    text = PAGE.read_text()
    for setting in SETTINGS:
        assert f"| `{setting.name}` | `{setting.variable}` | `--{setting.name}`" in text
    for name in COMMANDS:
        assert f"\n### lreg {name}\n" in text

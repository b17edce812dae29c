"""What a command loads before it has anything to do: the reason why it answers at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_HEAVY = {
    "aiohttp",
    "h11",
    "rich",
    "cryptography",
    "prometheus_client",
    "lreg.client",
    "lreg.registry",
}
_SCRIPT = "import json, sys, {module}; json.dump(sorted(sys.modules), sys.stdout)"


def loaded(module: str) -> set[str]:
    """Every module that importing `module` loads."""
    script = _SCRIPT.format(module=module)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return set(json.loads(done.stdout))


_IMAGES = ["ls", "tags", "inspect", "rm", "copy", "cache", "missing", "override"]
_ADMIN = ["refresh", "pin", "unpin", "evict", "du", "pulled", "upstream"]


@pytest.mark.parametrize("name", _IMAGES + _ADMIN)
def test_help_needs_no_client(name: str) -> None:
    """`lreg COMMAND --help` loads neither the client nor anything else that is heavy."""
    assert loaded(f"lreg.cli.{name}") & _HEAVY == set()


def test_listing_needs_no_bars() -> None:
    """A command that talks to a registry loads nothing for terminals or servers."""
    assert loaded("lreg.cli.registries.remote") & (_HEAVY - {"h11", "lreg.client"}) == set()

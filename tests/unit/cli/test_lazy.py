"""What a command loads before it has anything to do: the reason why it answers at once."""

from __future__ import annotations

import json
import subprocess
import sys

_HEAVY = {
    "aiohttp",
    "h11",
    "rich",
    "cryptography",
    "prometheus_client",
    "lreg.client",
    "lreg.registry",
}
_SCRIPT = "import json, sys, {modules}; json.dump(sorted(sys.modules), sys.stdout)"


def loaded(*modules: str) -> set[str]:
    """Every module that importing `modules` loads."""
    script = _SCRIPT.format(modules=", ".join(modules))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return set(json.loads(done.stdout))


_IMAGES = ["ls", "tags", "inspect", "rm", "copy", "cache", "missing", "override"]
_ADMIN = ["refresh", "pin", "unpin", "evict", "du", "pulled", "upstream"]


def test_help_needs_no_client() -> None:
    """`lreg COMMAND --help` loads neither the client nor anything else that is heavy."""
    assert loaded(*(f"lreg.cli.{name}" for name in _IMAGES + _ADMIN)) & _HEAVY == set()


def test_listing_needs_no_bars() -> None:
    """A command that talks to a registry loads nothing for terminals or servers."""
    assert loaded("lreg.cli.registries.remote") & (_HEAVY - {"h11", "lreg.client"}) == set()

"""What tests of commands start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.cli.registries import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A store of this test's own, and nothing else that a command could find."""
    for name in ("LOCAL_REGISTRY", "__dns_spoof"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LREG_CONFIG", "/dev/null")
    monkeypatch.setenv("LREG_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("lreg.cli.registries.target.default_store", lambda: tmp_path / "none")
    return tmp_path / "store"


@pytest.fixture
def server(store: Path) -> Iterator[Path]:
    """The store of an lreg that lives, and has to be announced yet."""
    with running.hold(store):
        yield store

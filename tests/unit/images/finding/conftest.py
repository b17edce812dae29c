"""What these tests share: folders of files, and a PATH with nothing on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No helm, kustomize, kubectl or kubeadm is here."""
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("nothing")))


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files into a folder; return it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
